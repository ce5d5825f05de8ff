"""Architectures as people write them, tiny: each function returns a model and a closure that gives its loss."""

import math

import torch
from torch import nn
from torch.nn import functional as F

IDS = torch.tensor([[1, 4, 2, 7, 3, 0], [5, 5, 6, 1, 2, 8]])
WORDS, WIDTH = 9, 8


def image(n=2, c=3, size=8):
    return torch.linspace(-2, 2, n * c * size * size).sin().reshape(n, c, size, size)


def classified(model, *inputs):
    def closure():
        given = [i.to(next(model.parameters()).dtype) if i.is_floating_point() else i for i in inputs]
        return F.cross_entropy(model(*given).flatten(1), torch.tensor([1, 3]))

    return model, closure


def language(model):
    def closure():
        return F.cross_entropy(model(IDS).flatten(0, 1), IDS.roll(-1, 1).flatten())

    return model, closure


def lenet():
    pool, relu = nn.MaxPool2d(2), nn.ReLU()
    return classified(
        nn.Sequential(nn.Conv2d(3, 6, 3), relu, pool, nn.Conv2d(6, 8, 2), relu, nn.Flatten(), nn.Linear(32, 5)), image()
    )


class ResNetBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(cout), nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += self.downsample(x)
        return self.relu(out)


def resnet():
    return classified(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(3, 2, 1), ResNetBlock(4, 4, 1), ResNetBlock(4, 6, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
        ),
        image(),
    )  # fmt: skip


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, 2, 3, 1, 1)) for c in (3, 5, 7)
        )
        self.head = nn.Linear(9, 5)

    def forward(self, x):
        features = [x]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.head(torch.cat(features, 1).mean((2, 3)))


def densenet():
    return classified(Dense(), image())


class InvertedResidual(nn.Module):
    """Depthwise separable, with squeeze and excitation, as in MobileNetV3 and EfficientNet."""

    def __init__(self, c):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(c, 3 * c, 1, bias=False), nn.BatchNorm2d(3 * c), nn.Hardswish())
        self.depthwise = nn.Sequential(nn.Conv2d(3 * c, 3 * c, 3, 1, 1, groups=3 * c), nn.BatchNorm2d(3 * c), nn.SiLU())
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3 * c, 2, 1), nn.ReLU(), nn.Conv2d(2, 3 * c, 1))
        self.project = nn.Sequential(nn.Conv2d(3 * c, c, 1, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        y = self.depthwise(self.expand(x))
        y = y * F.hardsigmoid(self.squeeze(y))
        return x + self.project(y)


def mobilenet():
    return classified(nn.Sequential(InvertedResidual(3), InvertedResidual(3), nn.Flatten(), nn.Linear(192, 5)), image())


class ConvNeXtBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.dwconv = nn.Conv2d(c, c, 7, padding=3, groups=c)
        self.norm, self.pw1, self.pw2 = nn.LayerNorm(c, eps=1e-6), nn.Linear(c, 4 * c), nn.Linear(4 * c, c)
        self.gamma = nn.Parameter(torch.full((c,), 0.1))

    def forward(self, x):
        y = self.dwconv(x).permute(0, 2, 3, 1)
        y = self.gamma * self.pw2(F.gelu(self.pw1(self.norm(y))))
        y = y.permute(0, 3, 1, 2)
        keep = x.new_empty((x.shape[0], 1, 1, 1)).bernoulli_(0.8).div_(0.8)  # stochastic depth
        return x + y * keep


def convnext():
    return classified(nn.Sequential(nn.Conv2d(3, 4, 2, 2), ConvNeXtBlock(4), nn.Flatten(), nn.Linear(64, 5)), image())


class ShuffleUnit(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(c // 2, c // 2, 1), nn.BatchNorm2d(c // 2), nn.ReLU(inplace=True))

    def forward(self, x):
        x1, x2 = x.chunk(2, dim=1)
        out = torch.cat((x1, self.branch(x2)), dim=1)
        b, c, h, w = out.shape
        return out.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, c, h, w)


def shufflenet():
    return classified(
        nn.Sequential(nn.Conv2d(3, 4, 1), ShuffleUnit(4), ShuffleUnit(4), nn.Flatten(), nn.Linear(256, 5)), image()
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.up = nn.ConvTranspose2d(8, 4, 2, 2)
        self.last = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.silu(self.norm(self.down2(F.avg_pool2d(a, 2))))
        smooth = F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)[:, :4]
        return self.last(torch.cat([a, self.up(b) + smooth], 1))


def unet():
    model = UNet()
    mask = (image(2, 1) > 0).double()
    return model, lambda: F.binary_cross_entropy_with_logits(model(image().to(model.last.weight.dtype)).double(), mask)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Linear(12, 8), nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 12))

    def forward(self, x):
        mean, logvar = self.encoder(x).chunk(2, -1)
        z = mean + torch.randn_like(mean) * (0.5 * logvar).exp()
        kl = -0.5 * (1 + logvar - mean.pow(2) - logvar.exp()).sum(-1).mean()
        return self.decoder(z), kl


def vae():
    model = VAE()

    def closure():
        x = image(4, 1, 3).flatten(1).repeat(1, 2)[:, :12].to(model.encoder.weight.dtype)
        y, kl = model(x)
        return F.mse_loss(y, x, reduction="sum") / 4 + 0.1 * kl

    return model, closure


def gan_generator():
    model = nn.Sequential(
        nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
        nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    return model, lambda: (model(torch.randn(3, 6, 1, 1).to(model[0].weight.dtype)) - image(3)).pow(2).mean()


class GPTBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width), nn.Dropout(0.1)
        )
        self.heads = heads
        self.register_buffer("bias", torch.tril(torch.ones(16, 16)).view(1, 1, 16, 16))

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = self.c_attn(self.ln_1(x)).split(c, dim=2)
        q, k, v = (p.view(b, t, self.heads, c // self.heads).transpose(1, 2) for p in (q, k, v))
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :t, :t] == 0, float("-inf"))
        att = F.dropout(F.softmax(att, dim=-1), 0.1)
        y = (att @ v).transpose(1, 2).contiguous().view(b, t, c)
        x = x + self.c_proj(y)
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(WORDS, WIDTH), nn.Embedding(16, WIDTH)
        self.h = nn.ModuleList([GPTBlock(WIDTH, 2) for _ in range(2)])
        self.ln_f, self.lm_head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WORDS, bias=False)
        self.wte.weight = self.lm_head.weight

    def forward(self, ids):
        x = self.wte(ids) + self.wpe(torch.arange(ids.size(1)))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


def gpt():
    return language(GPT())


class LlamaBlock(nn.Module):
    """RMSNorm, rotary positions, grouped queries, SwiGLU."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH, eps=1e-6), nn.RMSNorm(WIDTH, eps=1e-6)
        self.q, self.kv = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.gate, self.up, self.down = nn.Linear(WIDTH, 12), nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)

    @staticmethod
    def rotated(x):
        angles = torch.arange(x.shape[-2])[:, None] / 100 ** (torch.arange(0, x.shape[-1], 2) / x.shape[-1])
        cos, sin = torch.cat([angles.cos()] * 2, -1).to(x.dtype), torch.cat([angles.sin()] * 2, -1).to(x.dtype)
        x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return x * cos + torch.cat((-x2, x1), dim=-1) * sin

    def forward(self, x):
        b, t, _ = x.shape
        y = self.norm1(x)
        q = self.rotated(self.q(y).view(b, t, 4, 2).transpose(1, 2))
        k, v = self.kv(y).view(b, t, 2, 2, 2).unbind(2)
        k = self.rotated(k.transpose(1, 2)).repeat_interleave(2, dim=1)
        v = v.transpose(1, 2)[:, :, None].expand(b, 2, 2, t, 2).reshape(b, 4, t, 2)
        x = x + F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, t, -1)
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


def llama():
    return language(nn.Sequential(nn.Embedding(WORDS, WIDTH), LlamaBlock(), LlamaBlock(), nn.Linear(WIDTH, WORDS)))


class Bert(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH, padding_idx=0)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, 0.1, "gelu", batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(WIDTH, 5)

    def forward(self, ids):
        return self.head(self.encoder(self.embedding(ids), src_key_padding_mask=ids == 0)[:, 0])


def bert():
    return classified(Bert(), IDS)


class Translator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH)
        self.transformer = nn.Transformer(WIDTH, 2, 1, 1, 16, 0.1, batch_first=True)
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, ids):
        x = self.embedding(ids)
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1], dtype=x.dtype)
        return self.head(self.transformer(x, x, tgt_mask=mask))


def translator():
    return language(Translator())


class T5Attention(nn.Module):
    """A learned bias by relative position, in float32 softmax."""

    def __init__(self):
        super().__init__()
        self.embedding, self.bias = nn.Embedding(WORDS, WIDTH), nn.Embedding(5, 2)
        self.qkv, self.head = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WORDS)

    def forward(self, ids):
        x = self.embedding(ids)
        b, t, c = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
        distance = (torch.arange(t)[None] - torch.arange(t)[:, None]).clamp(-2, 2) + 2
        scores = q @ k.transpose(-1, -2) + self.bias(distance).permute(2, 0, 1)[None]
        return self.head((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c)) + 0 * x.mean()


def t5():
    return language(T5Attention())


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, 4, 4)
        self.token, self.position = nn.Parameter(torch.zeros(1, 1, WIDTH)), nn.Parameter(torch.randn(1, 5, WIDTH))
        self.attention = nn.MultiheadAttention(WIDTH, 2, dropout=0.1, batch_first=True)
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return self.head(x[:, 0])


def vit():
    return classified(ViT(), image())


class SwinBlock(nn.Module):
    """Windows that are shifted by roll, and partitioned by views."""

    def __init__(self):
        super().__init__()
        self.patch, self.qkv, self.head = nn.Conv2d(3, WIDTH, 2, 2), nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, 5)
        self.table = nn.Parameter(torch.randn(9, 1))

    def forward(self, x):
        x = self.patch(x).permute(0, 2, 3, 1)
        x = torch.roll(x, (-1, -1), (1, 2))
        b, h, w, c = x.shape
        windows = x.view(b, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)
        q, k, v = self.qkv(windows).chunk(3, -1)
        index = torch.arange(16).reshape(4, 4) % 9
        attention = (q @ k.mT / c**0.5 + self.table[index.view(-1)].view(4, 4)).softmax(-1)
        y = (attention @ v).view(b, h // 2, w // 2, 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(b, h, w, c)
        return self.head(torch.roll(y, (1, 1), (1, 2)).mean((1, 2)))


def swin():
    return classified(SwinBlock(), image())


class Mixer(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Sequential(nn.Linear(16, 8), nn.GELU(), nn.Linear(8, 16))
        self.channels = nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 8), nn.GELU(), nn.Linear(8, 12))
        self.head = nn.Linear(12, 5)

    def forward(self, x):
        x = F.unfold(x, 2, stride=2)
        x = x + self.tokens(x)
        x = x.transpose(1, 2)
        return self.head((x + self.channels(x)).mean(1))


def mixer():
    return classified(Mixer(), image())


class LSTMLanguageModel(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(WORDS, WIDTH), kind(WIDTH, 6, 2, dropout=0.2, batch_first=True)
        self.head = nn.Linear(6, WORDS)

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0])


def lstm():
    return language(LSTMLanguageModel(nn.LSTM))


class Seq2Seq(nn.Module):
    """GRU encoder and decoder with additive attention, one step after the other."""

    def __init__(self):
        super().__init__()
        self.embedding, self.encoder = nn.Embedding(WORDS, WIDTH), nn.GRU(WIDTH, 6, batch_first=True)
        self.cell, self.score = nn.GRUCell(WIDTH + 6, 6), nn.Linear(12, 1)
        self.head = nn.Linear(6, WORDS)

    def forward(self, ids):
        x = self.embedding(ids)
        memory, h = self.encoder(x)
        h, outputs = h[0], []
        for t in range(ids.shape[1]):
            query = h.unsqueeze(1).expand_as(memory)
            weights = self.score(torch.tanh(torch.cat([memory, query], -1))).softmax(1)
            h = self.cell(torch.cat([x[:, t], (weights * memory).sum(1)], -1), h)
            outputs.append(self.head(h))
        return torch.stack(outputs, 1)


def seq2seq():
    return language(Seq2Seq())


class GraphConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(4, 6), nn.Linear(6, 5)
        self.attention = nn.Parameter(torch.randn(12))

    def forward(self, x):
        source, target = torch.tensor([[0, 1, 2, 3, 1, 4, 2], [1, 0, 3, 2, 4, 1, 0]])
        h = self.lin1(x)
        e = F.leaky_relu(torch.cat([h[source], h[target]], -1) @ self.attention, 0.2)
        e = (e - torch.zeros(5).to(e).scatter_reduce(0, target, e, "amax", include_self=False).detach()[target]).exp()
        total = torch.zeros(5).to(e).scatter_add(0, target, e)
        messages = h.index_select(0, source) * (e / (total[target] + 1e-9))[:, None]
        h = torch.zeros_like(h).index_add_(0, target, messages).relu()
        return self.lin2(h)[:2]


def graph():
    return classified(GraphConv(), image(1, 1, 8).reshape(-1)[:20].reshape(5, 4))


class Experts(nn.Module):
    """A mixture of experts: the two best of four, gathered by index, added back by index."""

    def __init__(self):
        super().__init__()
        self.embedding, self.gate = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 4, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 12), nn.ReLU(), nn.Linear(12, WIDTH)) for _ in range(4)
        )
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, ids):
        x = self.embedding(ids).flatten(0, 1)
        weights, chosen = self.gate(x).softmax(-1).topk(2, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        y = torch.zeros_like(x)
        for i, expert in enumerate(self.experts):
            rows, place = torch.where(chosen == i)
            if rows.numel():
                y.index_add_(0, rows, (expert(x[rows]) * weights[rows, place, None]).to(y.dtype))
        return self.head(x + y).view(*ids.shape, WORDS)


def experts():
    return language(Experts())


class Mamba(nn.Module):
    """A selective state space, as a sum over the past: a cumulative sum in the logarithm of the decay."""

    def __init__(self):
        super().__init__()
        self.embedding, self.inner = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.conv = nn.Conv1d(WIDTH, WIDTH, 3, groups=WIDTH, padding=2)
        self.dt, self.bc = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 4)
        self.log_a, self.d = nn.Parameter(torch.zeros(WIDTH)), nn.Parameter(torch.ones(WIDTH))
        self.head = nn.Linear(WIDTH, WORDS)

    def forward(self, ids):
        x, z = self.inner(self.embedding(ids)).chunk(2, -1)
        x = F.silu(self.conv(x.transpose(1, 2))[..., : ids.shape[1]].transpose(1, 2))
        dt = F.softplus(self.dt(x))
        b, c = self.bc(x).split(2, -1)
        decay = (-self.log_a.exp() * dt).cumsum(1)
        state = torch.einsum("btd,btn,btd->btdn", dt, b, x) * (-decay).exp()[..., None]
        y = torch.einsum("btdn,btn->btd", state.cumsum(1) * decay.exp()[..., None], c) + self.d * x
        return self.head(y * F.silu(z))


def mamba():
    return language(Mamba())


class Scan(nn.Module):
    """A linear recurrence that writes its outputs in place, step by step."""

    def __init__(self):
        super().__init__()
        self.embedding, self.decay, self.head = (
            nn.Embedding(WORDS, WIDTH),
            nn.Linear(WIDTH, WIDTH),
            nn.Linear(WIDTH, WORDS),
        )

    def forward(self, ids):
        x = self.embedding(ids)
        a = self.decay(x).sigmoid()
        h, y = torch.zeros_like(x[:, 0]), torch.empty_like(x)
        for t in range(x.shape[1]):
            h = a[:, t] * h + (1 - a[:, t]) * x[:, t]
            y[:, t] = h
        return self.head(y)


def scan():
    return language(Scan())


class NeRF(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(18, 12), nn.Softplus(), nn.Linear(12, 4))

    def forward(self, points):
        features = torch.cat([f(points * 2**i) for i in range(3) for f in (torch.sin, torch.cos)], -1)
        out = self.net(features)
        density, colour = F.relu(out[..., :1] + 0.3), out[..., 1:].sigmoid()
        alpha = 1 - torch.exp(-density * 0.1)
        through = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha + 1e-10], 1), 1)[:, :-1]
        return (alpha * through * colour).sum(1)


def nerf():
    model = NeRF()
    points = image(2, 1, 6).reshape(2, 12, 3)[:, :8]
    return model, lambda: F.mse_loss(
        model(points.to(model.net[0].weight.dtype)), torch.full((2, 3), 0.5).to(model.net[0].weight.dtype)
    )


class Siamese(nn.Module):
    """Contrastive learning in both directions, with a learned temperature."""

    def __init__(self):
        super().__init__()
        self.net, self.scale = (
            nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4)),
            nn.Parameter(torch.tensor(1.0)),
        )

    def forward(self, a, b):
        a, b = F.normalize(self.net(a), dim=-1), F.normalize(self.net(b), dim=-1)
        logits = self.scale.exp() * a @ b.t()
        labels = torch.arange(len(a))
        return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.t(), labels)) / 2


def clip():
    model = Siamese()
    x = image(4, 1, 6).reshape(4, 36)

    def closure():
        given = x.to(model.scale.dtype)
        return model(given[:, :12], given[:, 12:24])

    return model, closure


class Wave(nn.Module):
    """Dilated causal convolutions with gates, as in WaveNet."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, WIDTH)
        self.convs = nn.ModuleList(nn.Conv1d(WIDTH, 2 * WIDTH, 2, dilation=d) for d in (1, 2))
        self.skip, self.head = nn.Conv1d(WIDTH, WIDTH, 1), nn.Conv1d(WIDTH, WORDS, 1)

    def forward(self, ids):
        x = self.embedding(ids).transpose(1, 2)
        skips = 0
        for conv in self.convs:
            a, b = conv(F.pad(x, (conv.dilation[0], 0))).chunk(2, 1)
            y = torch.tanh(a) * torch.sigmoid(b)
            x, skips = x + y, skips + self.skip(y)
        return self.head(F.relu(skips)).transpose(1, 2)


def wavenet():
    return language(Wave())


ARCHITECTURES = {
    f.__name__: f
    for f in (
        lenet, resnet, densenet, mobilenet, convnext, shufflenet, unet, vae, gan_generator, gpt, llama, bert,
        translator, t5, vit, swin, mixer, lstm, seq2seq, graph, experts, mamba, scan, nerf, clip, wavenet,
    )
}  # fmt: skip
