"""Architectures of timm, tiny: each a function of `timm.models` that returns a model and its loss."""

from tests.referee.gallery import classified, image

VIT = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "depth": 2, "num_heads": 2, "num_classes": 5}
MIXER = {"img_size": 16, "patch_size": 4, "embed_dim": 16, "num_blocks": 2, "num_classes": 5}
NARROW = {"num_classes": 5, "channels": (16, 16, 16, 16)}


def of_images(build, size):
    return lambda tm: classified(build(tm), image(size=size))


def small(build):
    return of_images(build, 16)


def large(build):
    return of_images(build, 32)


def named(name):
    """By the name of a configuration: timm has some that are tiny, for tests."""
    return large(lambda tm: tm.create_model(name, num_classes=5))


def gcvit(tm):
    windows = {"window_ratio": (8, 4), "window_size": (1, 1)}
    return tm.gcvit.GlobalContextVit(
        img_size=32, **windows, embed_dim=8, depths=(1, 1), num_heads=(2, 2), num_classes=5
    )


def rdnet(tm):
    blocks = {"num_blocks_list": (1, 1), "is_downsample_block": (None, True), "block_type": ("Block", "BlockESE")}
    return tm.rdnet.RDNet(
        num_init_features=8, growth_rates=(8, 8), **blocks, bottleneck_width_ratio=2, transition_compression_ratio=0.5,
        num_classes=5,
    )  # fmt: skip


def resnest(tm):
    stem = {"stem_type": "deep", "stem_width": 8, "avg_down": True, "base_width": 16}
    block = {"radix": 2, "avd": True, "avd_first": False}
    return tm.resnet.ResNet(tm.resnest.ResNestBottleneck, (1, 1, 1, 1), **stem, block_args=block, **NARROW)


def res2net(tm):
    return tm.resnet.ResNet(tm.res2net.Bottle2neck, (1, 1, 1, 1), base_width=8, block_args={"scale": 4}, **NARROW)


def dpn(tm):
    widths = {"inc_sec": (4, 4, 4, 4), "k_r": 8, "groups": 4, "num_init_features": 8}
    return tm.dpn.DPN(k_sec=(1, 1, 1, 1), **widths, num_classes=5, small=True)


def nfnet(tm):
    config = tm.nfnet.NfCfg(
        depths=(1, 1), channels=(16, 32), stem_type="3x3", stem_chs=8, group_size=8, bottle_ratio=0.5, extra_conv=True,
        gamma_in_act=True, same_padding=True, skipinit=True, num_features=32, act_layer="gelu", attn_layer="se",
        attn_kwargs={"rd_ratio": 0.5},
    )  # fmt: skip
    return tm.nfnet.NormFreeNet(config, num_classes=5)


def sequencer(tm):
    return tm.sequencer.Sequencer2d(
        img_size=32, layers=(1, 1, 1, 1), patch_sizes=(4, 2, 1, 1), embed_dims=(8, 8, 8, 8), hidden_sizes=(4, 4, 4, 4),
        mlp_ratios=(2, 2, 2, 2), num_classes=5,
    )  # fmt: skip


def visformer(tm):
    stages = {"depth": (1, 1, 1), "attn_stage": "011", "spatial_conv": "100", "group": 4}
    return tm.visformer.Visformer(
        img_size=32, init_channels=8, embed_dim=16, **stages, num_heads=2, mlp_ratio=2.0, num_classes=5
    )


def twins(tm):
    heads = {"num_heads": (2, 2, 2, 2), "mlp_ratios": (2, 2, 2, 2), "sr_ratios": (2, 2, 1, 1), "wss": None}
    return tm.twins.Twins(
        img_size=32, patch_size=4, embed_dims=(8, 8, 8, 8), **heads, depths=(1, 1, 1, 1), num_classes=5
    )


def nest(tm):
    widths = {"embed_dims": (8, 16), "num_heads": (2, 2), "depths": (1, 1)}
    return tm.nest.Nest(img_size=32, patch_size=4, num_levels=2, **widths, num_classes=5)


def crossvit(tm):
    branches = {"patch_size": (4, 8), "embed_dim": (8, 16), "depth": ((1, 1, 0),), "num_heads": (2, 2)}
    return tm.crossvit.CrossVit(img_size=32, **branches, mlp_ratio=(2.0, 2.0, 1.0), num_classes=5)


def levit(tm):
    widths = {"embed_dim": (16, 16), "key_dim": 8, "depth": (1, 1), "num_heads": (2, 2)}
    return tm.levit.Levit(img_size=32, **widths, attn_ratio=2.0, mlp_ratio=2.0, num_classes=5)


def volo(tm):
    widths = {"embed_dims": (8, 16, 16, 16), "num_heads": (2, 2, 2, 2), "stem_hidden_dim": 8}
    return tm.volo.VOLO((1, 1, 1, 1), img_size=32, **widths, num_classes=5)


def tiny_vit(tm):
    widths = {"embed_dims": (8, 16), "depths": (1, 1), "num_heads": (1, 2), "window_sizes": (4, 4)}
    return tm.tiny_vit.TinyVit(**widths, num_classes=5)


def swin(module, name):
    widths = {"embed_dim": 8, "depths": (2, 2), "num_heads": (2, 2), "window_size": 4}
    return large(lambda tm: getattr(getattr(tm, module), name)(img_size=32, patch_size=4, **widths, num_classes=5))


def staged(build):
    """Four stages of one block each."""
    return large(lambda tm: build(tm)(depths=(1, 1, 1, 1), dims=(16, 16, 16, 16), num_classes=5))


def pvt_v2(tm):
    return tm.pvt_v2.PyramidVisionTransformerV2(
        depths=(1, 1, 1, 1), embed_dims=(8, 8, 16, 16), num_heads=(1, 1, 2, 2), num_classes=5
    )


def gmlp(tm):
    m = tm.mlp_mixer
    return m.MlpMixer(**MIXER, block_layer=m.SpatialGatingBlock, mlp_layer=m.GatedMlp, mlp_ratio=4)


def resmlp(tm):
    m = tm.mlp_mixer
    return m.MlpMixer(**MIXER, block_layer=m.ResBlock, norm_layer=m.Affine, mlp_ratio=4)


def vit_pooled_by_attention(tm):
    options = {"qk_norm": True, "init_values": 0.1, "drop_path_rate": 0.2, "global_pool": "map"}
    return tm.vision_transformer.VisionTransformer(**VIT, **options)


def focalnet(tm):
    return tm.focalnet.FocalNet(embed_dim=8, depths=(1, 1), focal_levels=(2, 2), focal_windows=(3, 3), num_classes=5)


def davit(tm):
    return tm.davit.DaVit(depths=(1, 1), embed_dims=(8, 16), num_heads=(2, 2), window_size=2, num_classes=5)


def tnt(tm):
    heads = {"num_heads_inner": 2, "num_heads_outer": 2, "first_stride": 2}
    return tm.tnt.TNT(img_size=16, patch_size=8, embed_dim=16, inner_dim=8, depth=2, **heads, num_classes=5)


ARCHITECTURES = {
    "beit": small(lambda tm: tm.beit.Beit(**VIT)),
    "byobnet": named("test_byobnet"),
    "cait": small(lambda tm: tm.cait.Cait(**VIT)),
    "convit": small(lambda tm: tm.convit.ConVit(**VIT, local_up_to_layer=1)),
    "convmixer": small(lambda tm: tm.convmixer.ConvMixer(16, 2, kernel_size=3, patch_size=2, num_classes=5)),
    "convnext": named("test_convnext"),
    "convnext_v2": large(
        lambda tm: tm.convnext.ConvNeXt(depths=(1, 1, 1, 1), dims=(8, 8, 16, 16), num_classes=5, use_grn=True)
    ),
    "crossvit": large(crossvit),
    "davit": large(davit),
    "deit": small(lambda tm: tm.deit.VisionTransformerDistilled(**VIT)),
    "dla": large(lambda tm: tm.dla.DLA([1] * 6, [8] * 6, num_classes=5)),
    "dpn": large(dpn),
    "edgenext": large(
        lambda tm: tm.edgenext.EdgeNeXt(depths=(1, 1, 2, 1), dims=(8, 16, 16, 16), heads=(2, 2, 2, 2), num_classes=5)
    ),
    "efficientnet": named("test_efficientnet"),
    "eva": small(lambda tm: tm.eva.Eva(**VIT, use_rot_pos_emb=True, swiglu_mlp=True)),
    "focalnet": large(focalnet),
    "gcvit": large(gcvit),
    "ghostnet": large(lambda tm: tm.ghostnet.GhostNet([[[3, 8, 8, 0, 1]], [[3, 16, 8, 0.25, 2]]], num_classes=5)),
    "gmlp": small(gmlp),
    "hiera": large(
        lambda tm: tm.hiera.Hiera(img_size=(32, 32), embed_dim=8, num_heads=1, stages=(1, 1, 2, 1), num_classes=5)
    ),
    "inception_next": staged(lambda tm: tm.inception_next.MetaNeXt),
    "lcnet": named("lcnet_035"),
    "levit": large(levit),
    "mambaout": staged(lambda tm: tm.mambaout.MambaOut),
    "metaformer": staged(lambda tm: tm.metaformer.MetaFormer),
    "mixer": small(lambda tm: tm.mlp_mixer.MlpMixer(**MIXER)),
    "mobilevit": named("mobilevit_xxs"),
    "nest": large(nest),
    "nfnet": large(nfnet),
    "pvt_v2": large(pvt_v2),
    "rdnet": large(rdnet),
    "regnetz": named("regnetz_005"),
    "repvit": large(lambda tm: tm.repvit.RepVit(embed_dim=(8, 16), depth=(1, 1), num_classes=5)),
    "res2net": large(res2net),
    "resmlp": small(resmlp),
    "resnest": large(resnest),
    "resnet": named("test_resnet"),
    "rexnet": large(lambda tm: tm.rexnet.RexNet(width_mult=0.3, depth_mult=0.3, ch_div=4, num_classes=5)),
    "sequencer": large(sequencer),
    "sknet": large(lambda tm: tm.resnet.ResNet(tm.sknet.SelectiveKernelBasic, (1, 1, 1, 1), **NARROW)),
    "starnet": large(lambda tm: tm.starnet.StarNet(base_dim=8, depths=(1, 1, 1, 1), num_classes=5)),
    "swin": swin("swin_transformer", "SwinTransformer"),
    "swin_v2": swin("swin_transformer_v2", "SwinTransformerV2"),
    "tiny_vit": large(tiny_vit),
    "tnt": small(tnt),
    "twins": large(twins),
    "visformer": large(visformer),
    "vit": small(lambda tm: tm.vision_transformer.VisionTransformer(**VIT)),
    "vit_pooled_by_attention": small(vit_pooled_by_attention),
    "volo": large(volo),
    "xcit": small(
        lambda tm: tm.xcit.Xcit(img_size=16, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=5)
    ),
}
