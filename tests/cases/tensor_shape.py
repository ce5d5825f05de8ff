"""torchref.tensor: joining, splitting, reshaping, repeating, moving, windows, diagonals."""

import numpy as np

from tests.cases import Case, integers, normal, point, strided

A = normal(2, 3, 5)
M = normal(4, 5)
THREE = [normal(2, 3), normal(4, 3), normal(1, 3)]

JOINING = [
    Case("tensor.cat", inputs=(THREE,)),
    Case("tensor.cat", inputs=(tuple(THREE),), note="a tuple"),
    Case("tensor.cat", (), {"dim": -1}, ([strided(A), normal(2, 3, 1)],), note="strided"),
    Case("tensor.cat", inputs=([normal(2, 3), normal(0)],), note="an empty row"),
    Case("tensor.cat", inputs=([normal(2, 3), integers(5, 2, 3)],), note="integers"),
    Case("tensor.cat", inputs=([integers(5, 2), integers(5, 3)],), note="integers alone"),
    *(Case("tensor.stack", (), {"dim": d}, ([normal(2, 3), normal(2, 3)],)) for d in (0, 1, -1)),
    *(Case(f"tensor.{n}", inputs=([normal(3), normal(3)],), note="rows") for n in ("hstack", "vstack", "dstack")),
    Case("tensor.hstack", inputs=([normal(3), integers(5, 3)],), note="integers"),
    *(Case(f"tensor.{n}", inputs=([M, M],)) for n in ("hstack", "vstack", "dstack", "column_stack")),
    Case("tensor.column_stack", inputs=([normal(4), M],), note="a column"),
    Case("tensor.block_diag", inputs=(normal(2, 3), normal(2), normal(1, 1))),
    Case("tensor.block_diag", inputs=(M,), note="one"),
    Case("tensor.broadcast_tensors", inputs=(M,), note="one"),
    Case("tensor.meshgrid", (), {"indexing": "ij"}, (normal(3),), note="one"),
    Case("tensor.split", (), {"split_size_or_sections": 2}, (normal(5, 3),)),
    Case("tensor.split", (), {"split_size_or_sections": [2, 0, 3], "dim": -1}, (A,)),
    Case("tensor.chunk", (), {"chunks": 3}, (normal(7, 3),)),
    Case("tensor.chunk", (), {"chunks": 2, "dim": 2}, (A,)),
    Case("tensor.tensor_split", inputs=(normal(7, 3), 3)),
    Case("tensor.tensor_split", inputs=(normal(2, 5), (1, 4, 3), 1), note="indices"),
    Case("tensor.unbind", inputs=(A,)),
    Case("tensor.unbind", (), {"dim": 1}, (normal(2, 3),)),
    Case("tensor.meshgrid", (), {"indexing": "ij"}, (normal(2), normal(3))),
    Case("tensor.meshgrid", (), {"indexing": "xy"}, (normal(2), normal(3), point)),
    Case("tensor.broadcast_tensors", inputs=(normal(3, 1), normal(5), point)),
]
RESHAPING = [
    Case("tensor.reshape", (), {"shape": (5, -1)}, (A,)),
    Case("tensor.reshape", (), {"shape": (3, 10)}, (strided(A),), note="strided"),
    Case("tensor.reshape", (), {"shape": (1, 1)}, (point,)),
    Case("tensor.view", inputs=(A, 6, -1)),
    Case("tensor.view", inputs=(A, 30)),
    Case("tensor.ravel", inputs=(A,)),
    Case("tensor.flatten", (), {"start_dim": 1}, (A,)),
    Case("tensor.unflatten", (), {"dim": 0, "sizes": (2, 2)}, (M,)),
    Case("tensor.squeeze", inputs=(normal(1, 3, 1),)),
    Case("tensor.squeeze", (), {"dim": (0, 1)}, (normal(1, 3, 1),)),
    *(Case("tensor.unsqueeze", (), {"dim": d}, (M,)) for d in (0, 2, -2)),
    Case("tensor.permute", (), {"dims": (2, 0, -2)}, (A,)),
    Case("tensor.transpose", inputs=(A, 0, -1)),
    *(Case(f"tensor.{n}", inputs=(point, 0, -1), note="0-d") for n in ("transpose", "movedim")),
    Case("tensor.t", inputs=(M,)),
    Case("tensor.t", inputs=(normal(3),), note="a row"),
    Case("tensor.movedim", inputs=(A, 0, -1)),
    Case("tensor.movedim", (), {"source": (0, 1), "destination": (2, 0)}, (A,)),
]
REPEATING = [
    Case("tensor.expand", inputs=(normal(3, 1), 2, -1, 5)),
    Case("tensor.expand", inputs=(point, 2, 3), note="0-d"),
    Case("tensor.broadcast_to", (), {"size": (2, 3, 5)}, (normal(3, 1),)),
    Case("tensor.sum_to_size", inputs=(A, 3, 1)),
    Case("tensor.repeat", inputs=(M, 2, 3)),
    Case("tensor.repeat", inputs=(normal(3), 2, 1, 2)),
    Case("tensor.tile", (), {"dims": (2,)}, (M,)),
    Case("tensor.tile", (), {"dims": (2, 1, 2)}, (normal(3, 2),)),
    Case("tensor.repeat_interleave", inputs=(M, 3)),
    Case("tensor.unbind", inputs=(normal(3),), note="a row"),
    Case("tensor.repeat_interleave", (), {"dim": 1}, (M, 2)),
    Case("tensor.repeat_interleave", (), {"dim": 0}, (M, np.array([2, 0, 1, 3])), note="each its own"),
]
MOVING = [
    Case("tensor.roll", inputs=(M, 3)),
    Case("tensor.roll", (), {"shifts": (1, -2), "dims": (0, 1)}, (M,)),
    Case("tensor.roll", inputs=(M, 1, 1)),
    Case("tensor.flip", (), {"dims": (0, -1)}, (A,)),
    *(Case("tensor.flip", (), {"dims": d}, (point,), note="0-d") for d in ((), (0,))),
    Case("tensor.roll", inputs=(point, 1), note="0-d"),
    Case("tensor.unfold", inputs=(point, 0, 1, 1), note="0-d"),
    Case("tensor.fliplr", inputs=(M,)),
    Case("tensor.flipud", inputs=(M,)),
    *(Case("tensor.rot90", inputs=(M, k)) for k in (1, -1, 2)),
    Case("tensor.rot90", (), {"dims": (1, 2)}, (A,)),
    Case("tensor.narrow", inputs=(A, 1, 1, 2)),
    Case("tensor.narrow", inputs=(A, -1, -3, 2)),
    Case("tensor.select", inputs=(A, 1, -2)),
    Case("tensor.unfold", inputs=(normal(9), 0, 3, 2)),
    Case("tensor.unfold", inputs=(strided(normal(2, 7, 3)), 1, 4, 1), note="overlap"),
    Case("tensor.unfold", inputs=(M, -1, 2, 3), note="gaps"),
    Case("tensor.as_strided", (), {"size": (3, 3), "stride": (2, 1), "storage_offset": 1}, (normal(11),)),
    Case("tensor.as_strided", (), {"size": (2, 3), "stride": (0, 5)}, (M,)),
]
DIAGONALS = [
    *(Case("tensor.diagonal", (), {"offset": k}, (M,)) for k in (0, 2, -1, 7)),
    Case("tensor.diagonal", (), {"dim1": -1, "dim2": 0}, (A,)),
    *(Case("tensor.diag_embed", (), {"offset": k}, (normal(2, 3),)) for k in (0, 1, -2)),
    Case("tensor.diag_embed", (), {"dim1": 0, "dim2": 2}, (normal(2, 3),)),
    Case("tensor.diag", inputs=(M,)),
    Case("tensor.diag", (), {"diagonal": 1}, (normal(3),)),
    Case("tensor.trace", inputs=(M,)),
    *(Case(f"tensor.{n}", inputs=(A, k)) for n in ("tril", "triu") for k in (0, 1, -1)),
    Case("tensor.tril", inputs=(integers(5, 3, 3),), note="integers"),
]
COPIES = [
    Case("tensor.clone", inputs=(A,)),
    Case("tensor.detach", inputs=(A,), witness=False, note="cut off"),
    *(Case(f"tensor.{n}", inputs=(integers(5, 3),), note="integers") for n in ("clone", "detach")),
    Case("tensor.to", inputs=(A, "float64"), smooth=False),
    Case("tensor.to", inputs=(integers(5, 3), "float32"), note="integers"),
    Case("tensor.copy", inputs=(A, normal(3, 1))),
    Case("tensor.copy", inputs=(M, integers(5, 5)), note="integers"),
    Case("tensor.fill", inputs=(M, 0.5)),
    Case("tensor.fill", inputs=(M, point), note="0-d"),
]
CASES = JOINING + RESHAPING + REPEATING + MOVING + DIAGONALS + COPIES
