"""Architectures of torchvision, tiny: each a function of `torchvision.models` that returns a model and its loss."""

import torch
from torch import nn
from torch.nn import functional as F

from tests.referee.gallery import classified, image


def film():
    return torch.linspace(-2, 2, 2 * 3 * 4 * 256).sin().reshape(2, 3, 4, 16, 16)


def of_images(build, size):
    return lambda tv: classified(build(tv), image(size=size))


def of_films(build):
    return lambda tv: classified(build(tv), film())


def segmented(build):
    """A loss over the pixels, of a network on a backbone of one convolution."""

    def made(tv):
        layers = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        model = build(tv.segmentation, tv._utils.IntermediateLayerGetter(layers, {"2": "out"}))
        target = (image(c=1, size=16)[:, 0] > 0).long()
        return model, lambda: F.cross_entropy(model(image(size=16).to(next(model.parameters()).dtype))["out"], target)

    return made


def mobilenet_v3(tv):
    layer = tv.mobilenetv3.InvertedResidualConfig
    settings = [layer(8, 3, 8, 8, True, "RE", 2, 1, 1), layer(8, 3, 16, 12, True, "HS", 2, 1, 1)]
    return tv.MobileNetV3(settings, 32, num_classes=5)


def swin_v2(tv):
    block, merging = tv.swin_transformer.SwinTransformerBlockV2, tv.swin_transformer.PatchMergingV2
    return tv.SwinTransformer([2, 2], 8, [2, 2], [2, 2], [2, 2], num_classes=5, block=block, downsample_layer=merging)


def convnext(tv):
    block = tv.convnext.CNBlockConfig
    return tv.ConvNeXt([block(8, 16, 1), block(16, None, 1)], num_classes=5, stochastic_depth_prob=0.2)


def efficientnet(tv):
    fused, mobile = tv.efficientnet.FusedMBConvConfig, tv.efficientnet.MBConvConfig
    return tv.EfficientNet([fused(4, 3, 2, 8, 16, 1), mobile(4, 3, 2, 16, 16, 2)], 0.2, num_classes=5)


def regnet(tv):
    blocks = tv.regnet.BlockParams([1, 1], [8, 16], [4, 4], [1.0, 1.0], [2, 2], 0.25)
    return tv.RegNet(blocks, num_classes=5, stem_width=8)


def mvit(tv):
    block = tv.video.mvit.MSBlockConfig
    settings = [
        block(2, 8, 8, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 2, 2]),
        block(2, 8, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1]),
    ]
    return tv.video.mvit.MViT(
        (16, 16), 4, settings, True, True, True, True, num_classes=5,
        patch_embed_kernel=(3, 3, 3), patch_embed_stride=(2, 4, 4), patch_embed_padding=(1, 1, 1),
    )  # fmt: skip


def resnext(tv):
    return tv.ResNet(tv.resnet.Bottleneck, [1, 1, 1, 1], num_classes=5, groups=4, width_per_group=4)


ARCHITECTURES = {
    "convnext": of_images(convnext, 32),
    "deeplab_v3": segmented(lambda s, b: s.DeepLabV3(b, s.deeplabv3.DeepLabHead(8, 3, (2, 3)))),
    "densenet": of_images(lambda tv: tv.DenseNet(4, (2, 2), 8, num_classes=5), 32),
    "efficientnet": of_images(efficientnet, 32),
    "fcn": segmented(lambda s, b: s.FCN(b, s.fcn.FCNHead(8, 3))),
    "googlenet": of_images(lambda tv: tv.GoogLeNet(num_classes=5, aux_logits=False, init_weights=False), 32),
    "inception_v3": of_images(lambda tv: tv.Inception3(num_classes=5, aux_logits=False, init_weights=False), 75),
    "maxvit": of_images(lambda tv: tv.MaxVit((32, 32), 8, 4, [8, 16], [1, 1], 4, 0.2, num_classes=5), 32),
    "mnasnet": of_images(lambda tv: tv.MNASNet(0.1, num_classes=5), 32),
    "mobilenet_v2": of_images(lambda tv: tv.MobileNetV2(num_classes=5, width_mult=0.1), 32),
    "mobilenet_v3": of_images(mobilenet_v3, 32),
    "mvit": of_films(mvit),
    "regnet": of_images(regnet, 32),
    "resnet": of_images(lambda tv: tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5), 32),
    "resnext": of_images(resnext, 32),
    "shufflenet_v2": of_images(lambda tv: tv.ShuffleNetV2([2, 2, 2], [8, 8, 16, 32, 64], num_classes=5), 16),
    "squeezenet": of_images(lambda tv: tv.squeezenet1_1(num_classes=5), 32),
    "swin": of_images(lambda tv: tv.SwinTransformer([2, 2], 8, [2, 2], [2, 2], [2, 2], num_classes=5), 16),
    "swin3d": of_films(lambda tv: tv.video.SwinTransformer3d([2, 2, 2], 8, [2, 2], [2, 2], [2, 2, 2], num_classes=5)),
    "swin_v2": of_images(swin_v2, 16),
    "vit": of_images(lambda tv: tv.VisionTransformer(16, 4, 2, 2, 16, 32, num_classes=5), 16),
}
