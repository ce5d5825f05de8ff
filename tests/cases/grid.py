"""Sampling grids, images read at their points, and interpolation under its old names."""

from tests.cases import Case, choice, normal, strided, uniform

affine, sample = "functional.affine_grid", "functional.grid_sample"
GRID, GRID3 = uniform(2, 3, 2, 2, low=-1.7, high=1.7), uniform(1, 2, 3, 1, 3, low=-1.7, high=1.7)
IMAGE, VOLUME = normal(2, 2, 3, 5), normal(1, 2, 2, 3, 4)
# For sizes 4 and 8 these are pixels, borders, corners, the middle between two pixels, and what is far outside.
ON_PIXELS = choice([-3.0, -1.25, -1.0, -0.75, -0.5, -1 / 3, 0.0, 0.25, 1 / 3, 0.75, 1.0, 1.25, 5.0], 2, 11, 13, 2)

CASES = [
    Case(affine, (), {"size": (2, 3, 4, 5), "align_corners": False}, (normal(2, 2, 3),)),
    Case(affine, (), {"size": (2, 3, 4, 5), "align_corners": True}, (normal(2, 2, 3),)),
    Case(affine, (), {"size": (2, 3, 1, 5), "align_corners": False}, (normal(2, 2, 3),)),
    Case(affine, (), {"size": (2, 1, 2, 3, 4), "align_corners": False}, (normal(2, 3, 4),)),
    Case(affine, (), {"size": (2, 1, 2, 3, 4), "align_corners": True}, (strided(normal(2, 3, 4)),), note="strided"),
]
for padding_mode in ("zeros", "border", "reflection"):
    for align_corners in (False, True):
        options = {"padding_mode": padding_mode, "align_corners": align_corners}
        CASES += [
            Case(sample, (), {"mode": mode, **options}, (IMAGE, GRID), smooth=False)
            for mode in ("bilinear", "nearest", "bicubic")
        ]
        CASES += [
            Case(sample, (), {"mode": mode, **options}, (VOLUME, GRID3), smooth=False, note="volume")
            for mode in ("bilinear", "nearest")
        ]
        CASES += [
            Case(sample, (), {"mode": mode, **options}, (normal(2, 2, 4, 8), ON_PIXELS), witness=False, note="kinks")
            for mode in ("bilinear", "bicubic")
        ]
        CASES += [
            Case(sample, (), options, (normal(2, 2, 1, 3), GRID), smooth=False, note="one row"),
            Case(sample, (), options, (strided(IMAGE), strided(GRID)), smooth=False, note="strided"),
        ]
UNALIGNED = {"align_corners": False}
CASES += [
    Case(sample, (), UNALIGNED, (normal(0, 3, 4, 7), normal(0, 5, 3, 2)), smooth=False, note="empty batch"),
    Case(sample, (), UNALIGNED, (normal(2, 0, 4, 7), normal(2, 5, 3, 2)), smooth=False, note="no channels"),
    Case(sample, (), UNALIGNED, (normal(2, 3, 4, 7), normal(2, 0, 3, 2)), smooth=False, note="no points"),
    Case("functional.upsample", (), {"size": 7, "mode": "linear", "align_corners": True}, (normal(2, 3, 4),)),
    Case("functional.upsample", (), {"scale_factor": 1.7}, (normal(2, 3, 3, 4),)),
    Case("functional.upsample_nearest", (), {"scale_factor": 2}, (normal(2, 3, 3, 4),)),
    Case("functional.upsample_bilinear", (), {"size": (5, 7)}, (normal(2, 3, 3, 4),)),
]
