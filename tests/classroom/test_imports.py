"""What a file imports is read, not run; honest code is accused of nothing."""

import pytest

from tests.classroom.solutions import BODIES, solved
from torchref.classroom.imports import FORBIDDEN, forbidden_imports, modules_of, to_look_at

IMPORTS = {
    "import torch": "torch",
    "import numpy, torch.nn as nn": "torch.nn",
    "from torch.nn import functional": "torch.nn",
    "def f():\n    import torchref": "torchref",
    "import importlib as i\ni.import_module('torchref.nn')": "torchref.nn",
    "__import__('torch')": "torch",
    "try:\n    from jax import grad\nexcept ImportError:\n    pass": "jax",
}
SUSPICIOUS = (
    "__import__('tor' + 'ch')",
    "import importlib",
    "eval('1')",
    "import sys\nsys.modules['x']",
    "from sys import modules",
    "import os\nos.fork()",
    "import ctypes",
    "import gc",
    "import os as o\no.fork()",
    "import sys as s\ns.modules",
    "import os\nos.system('ls')",
    "import builtins\nbuiltins.abs = max",
    "import numpy as np\nnp.allclose = print",
    "import numpy as np\nnp._core.fromnumeric._wrapreduction = print",
    "import numpy as np\nsetattr(np, 'sum', max)",
    "import numpy as np\ndel np.linalg.norm",
    "import atexit",
    "from multiprocessing import Process",
    "open('../assignment.toml').read()",
    "().__class__.__base__.__subclasses__()",
)
HONEST = (
    "import numpy as np",
    "import torchvisionary",
    "from scipy.special import erf",
    "model.eval()",
    "x.modules",
    "torch = 1",
    "signal = 1\ny = signal * 2",
    "def compile(x):\n    return x\ny = compile(2)",
    "class A:\n    def f(self):\n        self.modules = 1\n        return self.kill, self.system",
    "import numpy as np\nx = np.zeros(3)\nx.shape = (3, 1)",
)


@pytest.mark.parametrize("code", IMPORTS)
def test_a_forbidden_import_is_found_wherever_it_stands(tmp_path, code):
    """Catches torch in a function, under a second name, or in a file beside."""
    (tmp_path / "helper.py").write_text(f"a = 1\n{code}\n", encoding="utf-8")
    (tmp_path / "relu.py").write_text("import helper\n", encoding="utf-8")
    found = forbidden_imports(modules_of(tmp_path / "relu.py"), FORBIDDEN)
    assert found.startswith(f"imports {IMPORTS[code]} (helper.py, line "), found


@pytest.mark.parametrize("code", SUSPICIOUS)
def test_a_way_round_is_named(tmp_path, code):
    """Catches a means to import by a name made at run time."""
    (tmp_path / "relu.py").write_text(code, encoding="utf-8")
    assert to_look_at([tmp_path / "relu.py"])


@pytest.mark.parametrize("code", [*HONEST, *(solved(name) for name in BODIES)])
def test_honest_code_is_accused_of_nothing(tmp_path, code):
    """Catches a student who is called a cheat for a word."""
    (tmp_path / "relu.py").write_text(code, encoding="utf-8")
    assert not forbidden_imports([tmp_path / "relu.py"], FORBIDDEN)
    assert not to_look_at([tmp_path / "relu.py"])


def test_files_that_import_each_other_end(tmp_path):
    """Catches a circle that is followed for ever, and a file that no one imports."""
    (tmp_path / "a.py").write_text("from b import x", encoding="utf-8")
    (tmp_path / "b.py").write_text("import a, c.d", encoding="utf-8")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "d.py").write_text("", encoding="utf-8")
    (tmp_path / "other.py").write_text("import torch", encoding="utf-8")
    assert {path.name for path in modules_of(tmp_path / "a.py")} == {"a.py", "b.py", "d.py"}
