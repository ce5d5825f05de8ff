# ruff: noqa  (written as students write)
"""Characters to the next one, one gradient a mean, on tensors, in no loop and no function; gradients of what lies between stand beside."""

import torch

g = torch.Generator().manual_seed(7)
words, width, block, hidden, n = 9, 4, 3, 8, 12
C = torch.randn((words, width), generator=g)
W1 = torch.randn((width * block, hidden), generator=g) * 0.3
bngain = torch.randn((1, hidden), generator=g) * 0.1 + 1.0
W2 = torch.randn((hidden, words), generator=g) * 0.1
b2 = torch.zeros(words)
parameters = [C, W1, bngain, W2, b2]
for p in parameters:
    p.requires_grad = True
Xb = torch.randint(0, words, (n, block), generator=g)
Yb = torch.randint(0, words, (n,), generator=g)

emb = C[Xb]
embcat = emb.view(n, -1)
hprebn = embcat @ W1
bndiff = hprebn - hprebn.mean(0, keepdim=True)
bnvar_inv = ((bndiff**2).sum(0, keepdim=True) / (n - 1) + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
h = torch.tanh(bngain * bnraw)
logits = h @ W2 + b2
logprobs = torch.log_softmax(logits, 1)
loss = -logprobs[range(n), Yb].mean()

dlogits = torch.exp(logprobs)
dlogits[range(n), Yb] -= 1
dlogits /= n
dh = dlogits @ W2.T
dW2 = h.T @ dlogits
db2 = dlogits.mean(0)
dhpreact = (1 - h**2) * dh
dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
dhprebn = bngain * bnvar_inv / n * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))
dW1 = embcat.T @ dhprebn
demb = (dhprebn @ W1.T).view(emb.shape)
dC = torch.zeros_like(C)
dC.index_put_((Xb,), demb, accumulate=True)
