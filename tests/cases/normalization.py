"""The cases of layer, group, instance and RMS norm."""

from tests.cases import Case, normal, strided

LAYER = [
    Case("LayerNorm", (5,), inputs=(normal(7, 5, shift=0.4),)),
    Case("LayerNorm", ([5],), inputs=(normal(2, 3, 5),), note="list"),
    Case("LayerNorm", ((3, 5),), inputs=(normal(2, 7, 3, 5),)),
    Case("LayerNorm", ((3, 5),), inputs=(normal(3, 5),), note="unbatched"),
    Case("LayerNorm", (5,), inputs=(normal(5),), note="unbatched"),
    Case("LayerNorm", (5, 1e-2), inputs=(normal(7, 5),)),
    Case("LayerNorm", (5, 1e-5, False), inputs=(normal(7, 5),)),
    Case("LayerNorm", (5, 1e-5, True, False), inputs=(normal(7, 5),)),
    Case("LayerNorm", (5,), inputs=(normal(7, 5),), training=False),
    Case("LayerNorm", (5,), inputs=(normal(0, 5),), note="empty"),
    Case("LayerNorm", (0,), inputs=(normal(7, 0),), note="empty rows"),
    Case("LayerNorm", ((3, 5),), inputs=(strided(normal(2, 7, 3, 5)),), note="strided"),
    Case("LayerNorm", (5,), inputs=(normal(7, 5, scale=0.0, shift=2.0),), note="constant rows"),
]
RMS = [
    Case("RMSNorm", (5,), inputs=(normal(7, 5, shift=0.4),)),
    Case("RMSNorm", ((3, 5),), inputs=(normal(2, 7, 3, 5),)),
    Case("RMSNorm", (5,), inputs=(normal(2, 3, 5),), note="leading dimensions"),
    Case("RMSNorm", (5,), inputs=(normal(5),), note="unbatched"),
    Case("RMSNorm", (5, 1e-2), inputs=(normal(7, 5),)),
    Case("RMSNorm", (5, None, False), inputs=(normal(7, 5),)),
    Case("RMSNorm", (5,), inputs=(normal(7, 5),), training=False),
    Case("RMSNorm", (5,), inputs=(normal(0, 5),), note="empty"),
    Case("RMSNorm", (5,), inputs=(strided(normal(7, 5)),), note="strided"),
]
GROUP = [
    Case("GroupNorm", (3, 6), inputs=(normal(5, 6, 7),)),
    Case("GroupNorm", (3, 6), inputs=(normal(5, 6),), note="no positions"),
    Case("GroupNorm", (1, 5), inputs=(normal(3, 5, 2, 7),)),
    Case("GroupNorm", (5, 5), inputs=(normal(3, 5, 2, 7),)),
    Case("GroupNorm", (2, 10, 1e-2), inputs=(normal(3, 10, 2, 7, 1),)),
    Case("GroupNorm", (3, 6, 1e-5, False), inputs=(normal(5, 6, 7),)),
    Case("GroupNorm", (3, 6), {"bias": False}, inputs=(normal(5, 6, 7),)),
    Case("GroupNorm", (3, 6), inputs=(normal(5, 6, 7),), training=False),
    Case("GroupNorm", (3, 6), inputs=(normal(0, 6, 7),), note="empty"),
    Case("GroupNorm", (3, 6), inputs=(strided(normal(5, 6, 7)),), note="strided"),
]
INSTANCE = [
    Case("InstanceNorm1d", (5,), inputs=(normal(3, 5, 7, shift=0.4),)),
    Case("InstanceNorm1d", (5,), inputs=(normal(5, 7),), note="unbatched"),
    Case("InstanceNorm1d", (5, 1e-2, 0.3, True, True), inputs=(normal(3, 5, 7),)),
    Case("InstanceNorm1d", (5, 1e-2, 0.3, True, True), inputs=(normal(3, 5, 7),), training=False),
    Case("InstanceNorm1d", (5, 1e-2, 0.3, True, True), inputs=(normal(5, 7),), note="unbatched"),
    Case("InstanceNorm1d", (5, 1e-2, 0.3, True, True), inputs=(normal(5, 7),), training=False, note="unbatched"),
    Case("InstanceNorm1d", (5,), {"momentum": None, "track_running_stats": True}, inputs=(normal(3, 5, 7),)),
    Case("InstanceNorm1d", (5,), {"affine": True}, inputs=(normal(3, 5, 7),)),
    Case("InstanceNorm1d", (5,), {"affine": True, "bias": False}, inputs=(normal(3, 5, 7),)),
    Case("InstanceNorm1d", (5,), {"affine": True}, inputs=(normal(3, 5, 7),), training=False),
    Case("InstanceNorm1d", (5,), inputs=(normal(0, 5, 7),), note="empty"),
    Case("InstanceNorm1d", (5,), {"track_running_stats": True}, inputs=(normal(3, 5, 0),), note="empty length"),
    Case("InstanceNorm1d", (5,), {"track_running_stats": True}, inputs=(normal(3, 5, 1),), training=False, note="one"),
    Case("InstanceNorm1d", (5,), {"affine": True}, inputs=(strided(normal(3, 5, 7)),), note="strided"),
    Case("InstanceNorm2d", (5,), {"affine": True, "track_running_stats": True}, inputs=(normal(3, 5, 2, 7),)),
    Case("InstanceNorm2d", (5,), {"affine": True}, inputs=(normal(5, 2, 7),), note="unbatched"),
    Case("InstanceNorm2d", (5,), {"track_running_stats": True}, inputs=(normal(3, 5, 2, 7),), training=False),
    Case("InstanceNorm3d", (5,), {"affine": True, "track_running_stats": True}, inputs=(normal(3, 5, 2, 3, 2),)),
    Case("InstanceNorm3d", (5,), inputs=(normal(5, 2, 3, 2),), note="unbatched"),
    Case("InstanceNorm3d", (5,), {"track_running_stats": True}, inputs=(normal(3, 5, 2, 3, 2),), training=False),
]
LOCAL_RESPONSE = [
    Case("LocalResponseNorm", (3, 0.3), inputs=(normal(2, 7, 5),)),
    Case("LocalResponseNorm", (2, 0.3), inputs=(normal(2, 7, 5),), note="even"),
    Case("LocalResponseNorm", (4, 0.3, 0.6, 2.0), inputs=(normal(2, 7, 3, 5),), note="even"),
    Case("LocalResponseNorm", (1,), inputs=(normal(2, 7, 5),)),
    Case("LocalResponseNorm", (13, 0.3), inputs=(normal(2, 7, 5),), note="wider than the channels"),
    Case("LocalResponseNorm", (5, 0.3), inputs=(normal(2, 7, 3, 2, 2),), training=False),
    Case("LocalResponseNorm", (3,), inputs=(normal(0, 7, 5),), note="empty"),
    Case("LocalResponseNorm", (3, 0.3), inputs=(strided(normal(2, 7, 5)),), note="strided"),
]
CASES = LAYER + RMS + GROUP + INSTANCE + LOCAL_RESPONSE
