"""What makes the code readable, held by looking at every file: its length, its functions, what they say they do."""

import ast
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from tests.rules.test_public import public
from torchref.compare import Comparison
from torchref.compare.teach.lesson import Lesson

ROOT = Path(__file__).parents[2]
LIBRARY = sorted([*ROOT.glob("torchref/**/*.py"), *ROOT.glob("comparisons/**/*.py")])
FILES = [*LIBRARY, *sorted(ROOT.glob("tests/**/*.py"))]
LINES = 400  # of a file
LONG_FILES = {  # may be longer, each for its reason
    "torchref/check/diagnosis/signatures.py": "what is read off wrong gradients, question by question",
    "torchref/check/edits.py": "the one library of edits: a class for each",
    "torchref/check/ops/losses.py": "the records of all losses: they share arguments and probes",
    "torchref/check/ops/norms.py": "the records of all norms: they share arguments and probes",
    "torchref/check/ops/optimizers.py": "the records of all optimizers",
    "torchref/check/reading/forms/layer.py": "a class with forward and backward, in all its spellings",
    "torchref/nn/convolution.py": "one operation and its transpose, in torch's seven classes",
    "torchref/nn/embedding.py": "two functions whose derivations are one",
    "torchref/nn/multi_head_attention.py": "one function of 24 arguments, and the checks of each",
    "torchref/nn/recurrent.py": "backpropagation through time, and torch's three classes",
    "torchref/nn/recurrent_cell.py": "the four gates with their derivations, and the cells",
    "torchref/nn/transformer.py": "torch's five classes, each the last one's part",
    "torchref/tensor/__init__.py": "the list of what there is",
    "torchref/tensor/reduction.py": "one function after the other, each with its derivation",
    "torchref/tensor/shape.py": "one function after the other, each with its derivation",
    "tests/check/corpus/*.py": "code as students write it, entry after entry",
    "tests/check/reference/networks.py": "networks as people write them, one after the other",
    "tests/referee/gallery.py": "architectures as people write them, one after the other",
    "tests/checks.py": "every promise that holds for all modules, stated once",
    "tests/compare/datasets/test_own.py": "every way in which a file of data can be wrong",
    "tests/compare/lockstep/test_lockstep.py": "every way in which twins can part",
    "tests/compare/record/test_record.py": "all that TensorBoard shows",
    "tests/fuzz/test_differences.py": "each known difference, and the test of why",
    "tests/optim/test_lr_scheduler.py": "every scheduler",
}
STATEMENTS = 50  # lines of a function, those of its docstring not counted: a derivation may be as long as it has to be
LONG_FUNCTIONS = {  # may be longer, each for its reason
    "torchref/check/textbook/recurrences.py": {"gru": "forward and backward of one recurrence"},
    "torchref/compare/lockstep/step.py": {"step": "all that happens in a step, in its order"},
    "torchref/nn/loss/ctc.py": {"ctc_loss": "the two recurrences of one derivation"},
    "torchref/nn/multi_head_attention.py": {"multi_head_attention": "it hands on 16 arrays, and returns 16 gradients"},
    "torchref/nn/recurrent.py": {
        "layers": "all layers there and back",
        "through_time": "one recurrence there and back",
    },
    "torchref/optim/lbfgs.py": {"step": "torch's loop, with torch's ways to end it"},
    "torchref/optim/line_search.py": {"strong_wolfe": "the book's two algorithms, the second on what the first found"},
    "tests/certify/jax_witness.py": {"pairs": "a table: one function of JAX after the other"},
    "tests/certify/tensor_theorems.py": {"tensor_claims": "one claim after the other"},
    "tests/certify/theorems.py": {"theorems": "one claim after the other"},
    "tests/check/corpus/*.py": {"*": "as a student wrote it"},
    "tests/check/ops/test_formulas.py": {"from_torch": "a branch for each way in which torch is called"},
    "tests/check/textbook/test_textbook.py": {"loss_claims": "one claim after the other"},
    "tests/checks.py": {"agrees_with_a_witness_without_torch": "the witness for outputs, gradients and directions"},
}
HOOKS = {field.name for kind in (Comparison, Lesson) for field in fields(kind)}  # described there
# whose functions do not all have a docstring: an entry is described where its function stands
UNDOCUMENTED = ("torchref/referee/entries/",)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def entry(table: dict, name: str):
    """What a table says of a file, named by itself or by its folder; None if nothing."""
    return table.get(name, table.get(name.rpartition("/")[0] + "/*.py"))


def length(function: ast.FunctionDef) -> int:
    """In lines, those of the docstring not counted."""
    described = ast.get_docstring(function) is not None
    first = function.body[1 if described and len(function.body) > 1 else 0]
    return (function.end_lineno or 0) - first.lineno + 1


def overloads(function: ast.AST) -> bool:
    decorators = getattr(function, "decorator_list", ())
    return any(isinstance(d, ast.Name) and d.id == "overload" for d in decorators)


def functions(tree: ast.AST):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_backward_is_the_last_statement_before_return(path):
    """Catches a backward that captures a name which is changed after it was defined."""
    for function in functions(parsed(path)):
        for i, statement in enumerate(function.body):
            if isinstance(statement, ast.FunctionDef) and statement.name == "backward":
                rest = function.body[i + 1 :]
                where = f"{path.name}:{statement.lineno}: in {function.name}"
                assert len(rest) == 1, f"{where}, {len(rest)} statements follow def backward"
                assert isinstance(rest[0], ast.Return), f"{where}, def backward is not followed by return"


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
def test_backward_changes_nothing_it_captured(path):
    """Catches an in-place operation on an array of the forward: a second backward would give another answer."""
    for function in functions(parsed(path)):
        for backward in (s for s in function.body if isinstance(s, ast.FunctionDef) and s.name == "backward"):
            own = {a.arg for a in (*backward.args.args, *backward.args.kwonlyargs)}
            given = set(own)
            for node in ast.walk(backward):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    own.add(node.id)
            for node in ast.walk(backward):
                assert not isinstance(node, ast.Nonlocal | ast.Global), (
                    f"{path.name}:{node.lineno}: nonlocal in backward"
                )
                if isinstance(node, ast.AugAssign):
                    target = node.target
                    while isinstance(target, ast.Subscript | ast.Attribute):
                        target = target.value
                    assert isinstance(target, ast.Name), f"{path.name}:{node.lineno}"
                    assert target.id in own - given, f"{path.name}:{node.lineno}: backward changes {target.id}"


def test_files_can_be_read_in_one_sitting():
    """Catches a file that has become several concepts."""
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in FILES}
    long = [f"{name}: {n} lines" for name, n in lengths.items() if n > LINES and not entry(LONG_FILES, name)]
    assert not long, "split it by concept: " + ", ".join(long)


def test_functions_can_be_read_at_a_glance():
    """Catches a function that has become several steps."""
    long = []
    for path in FILES:
        excused = entry(LONG_FUNCTIONS, name_of(path)) or {}
        for f in functions(parsed(path)):
            if length(f) > STATEMENTS and f.name not in excused and "*" not in excused:
                long.append(f"{name_of(path)}:{f.lineno}: {f.name} has {length(f)} lines")
    assert not long, "split it: " + ", ".join(long)


def test_nothing_is_excused_that_needs_no_excuse():
    """Catches a line of the two tables that is no longer true."""
    for pattern in LONG_FILES:
        paths = list(ROOT.glob(pattern))
        assert any(len(path.read_text().splitlines()) > LINES for path in paths), f"{pattern} has become short"
    for pattern, names in LONG_FUNCTIONS.items():
        found = [f for path in ROOT.glob(pattern) for f in functions(parsed(path))]
        long = {function.name for function in found if length(function) > STATEMENTS}
        assert names.keys() <= long | {"*"}, f"{pattern}: {set(names) - long} has become short"


def test_every_module_says_what_it_is():
    """Catches a file that a reader has to guess at."""
    silent = [name_of(path) for path in FILES if parsed(path).body and not ast.get_docstring(parsed(path))]
    assert not silent, f"no docstring: {silent}"


def test_public_functions_and_classes_say_what_they_are():
    """Catches a public function or class without a docstring, and a function with a backward that derives nothing."""
    silent = []
    for path in (path for path in LIBRARY if not name_of(path).startswith(UNDOCUMENTED)):
        hooks = HOOKS if "comparisons" in path.parts else set()
        said = public(parsed(path))
        for node in parsed(path).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or overloads(node) or ast.get_docstring(node):
                continue
            derives = any(isinstance(s, ast.FunctionDef) and s.name == "backward" for s in ast.walk(node))
            hidden = node.name.startswith("_") or (said is not None and node.name not in said and not derives)
            if not hidden and node.name not in hooks:
                silent.append(f"{name_of(path)}:{node.lineno}: {node.name}")
    assert not silent, f"no docstring: {silent}"


def test_nothing_is_put_off():
    """Catches a note of work that is not done: it belongs on the list of issues."""
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if any(word in line for word in words)
    ]
    assert not found
