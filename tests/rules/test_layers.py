"""Dependencies run one way, without a circle; NumPy alone below the twins; TensorBoard in one room.

An import counts wherever it stands: inside a function, and under TYPE_CHECKING.
"""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("torchref/**/*.py"), *ROOT.glob("comparisons/**/*.py")])
LAYERS = (  # from the bottom to the top: a package imports itself and what stands before it
    ("torchref.tensor", "torchref.nn"),
    ("torchref.optim",),
    ("torchref.models",),
    ("torchref.twin",),
    ("torchref.page",),  # what pages show: no page of its own
    ("torchref.check", "torchref.referee"),
    ("torchref.compare",),
    ("torchref.classroom",),
    ("torchref.browser",),
    ("torchref.cli",),
    ("comparisons",),
)
ROOMS_OF_CHECK = (
    (  # a record, its formula, its mistakes
        "torchref.check.ops",
        "torchref.check.textbook",
        "torchref.check.edits",
        "torchref.check.operators",
    ),
    *((f"torchref.check.{room}",) for room in ("report", "tolerance", "reading", "running")),
    tuple(
        f"torchref.check.reference.{file}"
        for file in ("asked", "by_torch", "by_use", "inputs", "own", "signature", "witness")
    ),
    ("torchref.check.diagnosis",),
    ("torchref.check.reference",),
    ("torchref.check.api",),
    ("torchref.check.plugin",),
)
ROOMS_OF_COMPARE = tuple(
    (f"torchref.compare.{room}",) for room in ("tasks", "lockstep", "record", "train", "teach", "sweep")
)
NUMPY_ALONE = ("torchref.tensor", "torchref.nn", "torchref.optim")
FOREIGN = {"torch", "tensorboard", "sklearn", "rich", "tyro"}


def module_name(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """The dotted names that a file imports, wherever in the file the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: an import by a relative name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imports_of_ours(name: str) -> set[str]:
    """The modules of ours that a module imports."""
    found = set()
    for dotted in imported(MODULES[name]):
        while dotted and dotted not in MODULES:  # a name in a module: the module
            dotted = dotted.rpartition(".")[0]
        found.add(dotted)
    return found - {"", name}


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def rank(name: str, packages: tuple[tuple[str, ...], ...]) -> int | None:
    """The place of the package that a module is in; None where it is in none."""
    return next((i for i, peers in enumerate(packages) if any(inside(name, peer) for peer in peers)), None)


@pytest.mark.parametrize(
    "layers",
    [LAYERS, ROOMS_OF_CHECK, ROOMS_OF_COMPARE],
    ids=["packages", "rooms of check", "rooms of compare"],
)
def test_imports_run_one_way(layers):
    """Catches a lower layer that reaches up."""
    wrong = []
    for name in MODULES:
        own = rank(name, layers)
        others = imports_of_ours(name) if own is not None else ()
        wrong += [
            f"{name} -> {other}" for other in others if (there := rank(other, layers)) is not None and there > own
        ]
    assert not wrong


def test_every_file_of_check_is_in_a_room():
    """Catches a file beside the rooms, which no rule says who may import."""
    lost = [name for name in MODULES if inside(name, "torchref.check") and rank(name, ROOMS_OF_CHECK) is None]
    assert lost == ["torchref.check"]


def test_there_is_no_circle():
    """Catches files that cannot be understood one after the other."""
    graph = {name: imports_of_ours(name) for name in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_a_circle_is_seen():
    """Catches a graph that loses imports: one that is lazy, and one for types alone, must be in it."""
    assert "torchref.compare.teach.teach" in imports_of_ours("torchref.cli.lessons")  # in a function
    assert "torchref.compare.comparison" in imports_of_ours("torchref.compare.catalogue")  # under TYPE_CHECKING
    assert "torchref.nn.module" in imports_of_ours("torchref.optim.optimizer")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_foreign_libraries_stay_in_their_rooms(path):
    """Catches torch where NumPy alone should stand, and a second place that knows of TensorBoard."""
    name, libraries = module_name(path), {dotted.split(".")[0] for dotted in imported(path)}
    if any(inside(name, package) for package in NUMPY_ALONE):
        assert not libraries & FOREIGN, f"{name} may not import {sorted(libraries & FOREIGN)}"
    assert "tensorboard" not in libraries or inside(name, "torchref.compare.record"), f"{name} imports tensorboard"


@pytest.mark.parametrize("path", sorted(ROOT.glob("comparisons/**/*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_comparison_can_be_copied(path):
    """Catches a comparison that needs another one: what several share stands in torchref.compare."""
    others = [name for name in imported(path) if inside(name, "comparisons")]
    assert not others, f"{path.name} imports {others}"


@pytest.mark.parametrize(
    "statement",
    [
        "import torchref.nn, torchref.optim, torchref.tensor",
        "from torchref.compare import Comparison, Data",
        "import torchref.models",
    ],
)
def test_importing_is_light(statement):
    """Catches an import that costs every NumPy user two seconds."""
    code = f"import sys\n{statement}\nassert not {FOREIGN!r} & sys.modules.keys()"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
