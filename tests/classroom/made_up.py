# ruff: noqa: E501
"""A class of made-up students: what each hands in, and the word that each task earns.

The assignment has two tasks: relu (2 points) and linear (a point for each gradient).
"""

import os
import textwrap
import zipfile
from pathlib import Path

ASSIGNMENT = """
title = "Two layers"
cpu = {cpu}
wall = {wall}
memory = 1

[[task]]
name = "relu"
operation = "relu"
points = 2

[[task]]
name = "linear"
operation = "linear"
gradients = {{ input = 1, weight = 1, bias = 1 }}
hints = 2
"""


def relu(backward="return dy * (x > 0)", top="", forward="np.maximum(x, 0)"):
    lines = textwrap.indent(textwrap.dedent(backward).strip("\n"), " " * 8)
    return (
        f"import numpy as np\n{textwrap.dedent(top)}\n\ndef relu(x):\n    y = {forward}\n\n    def backward(dy):\n{lines}"
        "\n\n    return y, backward\n"
    )


def linear(gradients="dy @ weight, dy.T @ x, dy.sum(axis=0)", top=""):
    return (
        f"{top}\ndef linear(x, weight, bias):\n    y = x @ weight.T + bias\n\n    def backward(dy):\n"
        f"        return {gradients}\n\n    return y, backward\n"
    )


PAIR = "def linear_forward(x, weight, bias):\n    return x @ weight.T + bias, (x, weight)\n\n\n"
PAIR += "def linear_backward(dy, cache):\n    x, weight = cache\n    return dy @ weight, dy.T @ x, dy.sum(0)\n"
CLASS = "import numpy as np\n\n\nclass relu:\n    def forward(self, x):\n        self.x = x\n        return np.maximum(x, 0)\n\n"
CLASS += "    def backward(self, dy):\n        return dy * (self.x > 0)\n"
LOOP = "while True:\n    pass"
STUBBORN = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
NUMPY_IN_THE_WAY = "raise SystemExit('this is my numpy')\n"
IN_THE_PIPE = "import os\nfor fd in range(3, 64):\n    try:\n        os.write(fd, b'right' * 999)\n    except OSError:\n        pass"
RIGHT, WRONG, PARTLY, NOT_DONE = "right", "wrong", "partly right", "not done"
MISSING, NOT_ALLOWED, NOT_RUN = "missing", "not allowed", "not run"

# student: (what relu.py is, what linear.py is; None: not handed in), and the words
STUDENTS = {
    "ada": (relu(), linear(), RIGHT, RIGHT),
    "bela": (CLASS, PAIR, RIGHT, RIGHT),
    "chloe": (relu("return dy * (y >= 0)"), linear("dy @ weight, dy.T @ x, dy.mean(axis=0)"), WRONG, PARTLY),
    "dana": (relu("return dy"), linear("dy @ weight, x.T @ dy, dy.sum(axis=0)"), WRONG, PARTLY),
    "emil": (relu("return x > 0"), linear("-dy @ weight, -dy.T @ x, -dy.sum(axis=0)"), WRONG, WRONG),
    "fay": (relu(LOOP), linear(), NOT_RUN, RIGHT),
    "gil": (relu(STUBBORN), linear(), NOT_RUN, RIGHT),
    "hao": (relu("import time\ntime.sleep(10**6)"), linear("dy @ weight, dy.T @ x, dy.sum(axis=1)"), NOT_RUN, PARTLY),
    "ines": (relu("import os\nos.abort()"), linear(), NOT_RUN, RIGHT),
    "jan": (relu("import os\nos._exit(0)"), linear(), NOT_RUN, RIGHT),
    "kim": (relu(top="raise SystemExit"), linear(), NOT_RUN, RIGHT),
    "lena": (relu("return relu(dy)[1](relu(dy)[1](dy)) + backward(dy)"), linear(), NOT_RUN, RIGHT),
    "mia": (relu("return np.ones(1 << 40)"), linear(), NOT_RUN, RIGHT),
    "nils": (relu("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"), linear(), NOT_RUN, RIGHT),
    "olga": (
        relu("import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nreturn dy * (x > 0)"),
        linear(),
        NOT_RUN,
        RIGHT,
    ),
    "pia": (relu("import torch\nreturn dy * (x > 0)"), linear(top="import torchref.nn"), NOT_ALLOWED, NOT_ALLOWED),
    "quinn": (relu("import importlib\nimportlib.import_module('tor' + 'ch')"), linear(), NOT_RUN, RIGHT),
    "rosa": (relu("return dy", top="np.allclose = lambda *a, **k: True"), linear(), NOT_RUN, RIGHT),
    "sam": (relu("return dy", top=IN_THE_PIPE), linear(), NOT_RUN, RIGHT),
    "tara": (relu("return dy * (x > 0)", top="import os\nos.fork()"), linear(), RIGHT, RIGHT),
    "uma": (relu("print('x' * 5_000_000)\nreturn dy * (x > 0)"), linear(), RIGHT, RIGHT),
    "vera": (relu("open('big', 'wb').write(b'0' * (1 << 27))\nreturn dy * (x > 0)"), linear(), NOT_RUN, RIGHT),
    "will": (relu("open('../../../ada/relu.py', 'w').write('')\nreturn dy * (x > 0)"), linear(), NOT_RUN, RIGHT),
    "xenia": (None, linear(), MISSING, RIGHT),
    "yuri": ("def relu(x:\n", linear(), NOT_RUN, RIGHT),
    "zoe": ("", linear(), NOT_RUN, RIGHT),
    "anton": (
        relu("'''Return dx.'''\nraise NotImplementedError('write dx')"),
        linear("None, None, None"),
        NOT_DONE,
        NOT_DONE,
    ),
    "berta": ("# -*- coding: latin-1 -*-\n# Übung\n" + relu(), linear(top="name = 'Übung'"), RIGHT, NOT_RUN),
    "cyril": (relu(), linear(), RIGHT, RIGHT),
    "dora": (relu(), "import numpy as np\n" + linear(), RIGHT, RIGHT),
}
ENCODINGS = {"berta": "latin-1"}
BESIDE = {"dora": {"numpy.py": NUMPY_IN_THE_WAY}}  # further files


def hand_in(folder: Path, names=tuple(STUDENTS)) -> None:
    """Write the submissions of these students; cyril hands in a zip archive with a folder in it."""
    for name in names:
        here = folder / name
        here.mkdir(parents=True)
        files = dict(zip(("relu.py", "linear.py"), STUDENTS[name][:2], strict=True))
        for file, text in {**files, **BESIDE.get(name, {})}.items():
            if text is not None:
                (here / file).write_bytes(text.encode(ENCODINGS.get(name, "utf-8")))
        if name == "cyril":
            with zipfile.ZipFile(folder / "cyril.zip", "w") as archive:
                for file in sorted(os.listdir(here)):
                    archive.write(here / file, f"homework/{file}")
                    (here / file).unlink()
            here.rmdir()


def expected(name: str) -> list[str]:
    """The words of a student's tasks."""
    return list(STUDENTS[name][2:])


def points(name: str) -> float:
    """The points: 2 for relu, 3 for linear, 2 for a linear layer with one wrong gradient."""
    first, second = expected(name)
    return {RIGHT: 2.0}.get(first, 0.0) + {RIGHT: 3.0, PARTLY: 2.0}.get(second, 0.0)
