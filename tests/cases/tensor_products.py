"""torchref.tensor: products of matrices and vectors."""

from tests.cases import Case, integers, normal, point, strided

CASES = [
    Case("tensor.mm", inputs=(normal(2, 3), normal(3, 4))),
    Case("tensor.mm", inputs=(strided(normal(2, 3)), normal(3, 4)), note="strided"),
    Case("tensor.mm", inputs=(normal(0, 3), normal(3, 4)), note="empty"),
    Case("tensor.mm", inputs=(normal(2, 0), normal(0, 4)), note="a sum of nothing"),
    Case("tensor.mm", inputs=(integers(5, 2, 3), integers(5, 3, 2)), note="integers"),
    Case("tensor.bmm", inputs=(normal(2, 3, 4), normal(2, 4, 5))),
    Case("tensor.mv", inputs=(normal(3, 4), normal(4))),
    Case("tensor.dot", inputs=(normal(5), normal(5))),
    *(
        Case("tensor.matmul", inputs=(normal(*a), normal(*b)), note=f"{a} {b}".replace(" ", ""))
        for a, b in [
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3,), (3, 4)),
            ((2, 3), (3, 4)),
            ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)),
            ((5, 1, 2, 3), (6, 3, 4)),
            ((3,), (5, 3, 4)),
            ((5, 2, 3), (3,)),
            ((1, 2, 3), (5, 3, 4)),
            ((0, 2, 3), (3, 4)),
        ]
    ),
    Case("tensor.addmm", inputs=(normal(2, 4), normal(2, 3), normal(3, 4))),
    Case("tensor.addmm", (), {"beta": 0.5, "alpha": -1.5}, (normal(4), normal(2, 3), normal(3, 4))),
    Case("tensor.addmm", (), {"beta": 0}, (normal(2, 1), normal(2, 3), normal(3, 4))),
    Case("tensor.baddbmm", (), {"beta": 0.5, "alpha": -1.5}, (normal(5, 1, 4), normal(5, 2, 3), normal(5, 3, 4))),
    Case("tensor.addbmm", (), {"beta": 0.5, "alpha": -1.5}, (normal(2, 4), normal(5, 2, 3), normal(5, 3, 4))),
    Case("tensor.addmv", (), {"beta": 0.5, "alpha": -1.5}, (normal(2), normal(2, 3), normal(3))),
    Case("tensor.addr", (), {"beta": 0.5, "alpha": -1.5}, (normal(2, 3), normal(2), normal(3))),
    Case("tensor.outer", inputs=(normal(3), normal(4))),
    Case("tensor.kron", inputs=(normal(2, 3), normal(4, 2))),
    Case("tensor.kron", inputs=(normal(3), normal(2, 2)), note="fewer dimensions"),
    Case("tensor.cross", (), {"dim": 1}, (normal(2, 3), normal(2, 3))),
    Case("tensor.cross", (), {"dim": 0}, (normal(3, 4), normal(3, 1)), note="broadcast"),
    *(
        Case("tensor.einsum", inputs=(equation, *(normal(*shape) for shape in shapes)))
        for equation, shapes in [
            ("ij,jk->ik", ((2, 3), (3, 4))),
            ("ij,jk", ((2, 3), (3, 4))),
            ("bhqd,bhkd->bhqk", ((2, 1, 3, 4), (2, 3, 2, 4))),
            ("ij->ji", ((2, 3),)),
            ("ba", ((2, 3),)),
            ("ij->", ((2, 3),)),
            ("ii->i", ((3, 3),)),
            ("ii", ((3, 3),)),
            ("iji->j", ((3, 2, 3),)),
            ("i,j->ij", ((2,), (3,))),
            ("ij,k->k", ((2, 3), (4,))),
            ("...ij,...jk->...ik", ((5, 2, 3), (3, 4))),
            ("...i,...i", ((2, 1, 3), (4, 3))),
            ("b...->...", ((3, 2, 2),)),
            ("i,ij,j->", ((2,), (2, 3), (3,))),
            ("ij,ij->ij", ((2, 3), (1, 3))),
            ("iij,jk->ik", ((2, 2, 3), (3, 2))),
        ]
    ),
    Case("tensor.tensordot", inputs=(normal(2, 3, 4), normal(3, 4, 5))),
    Case("tensor.tensordot", (), {"dims": 0}, (normal(2), normal(3))),
    Case("tensor.tensordot", (), {"dims": ([0, 2], [1, -1])}, (normal(2, 3, 4), normal(5, 2, 4))),
    Case("tensor.inner", inputs=(normal(2, 3), normal(4, 3))),
    Case("tensor.inner", inputs=(normal(3), normal(3)), note="vectors"),
    Case("tensor.vecdot", inputs=(normal(2, 3), normal(3))),
    Case("tensor.vecdot", inputs=(point, point), note="0-d"),
    Case("tensor.vecdot", (), {"dim": 0}, (normal(3, 2), normal(3, 1))),
]
