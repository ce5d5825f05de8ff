# ruff: noqa: E501
"""An assignment or a folder that cannot be used is refused in one line, before any work."""

import pytest

from torchref.classroom import assignment
from torchref.cli.command_line import main
from torchref.compare.errors import UserError

TASK = '[[task]]\nname = "relu"\noperation = "relu"\n'
WRONG = {
    "no TOML": ("task = [", "is no TOML"),
    "no text": (b"title = '\xff'", "is no TOML"),
    "no task": ('title = "x"', "has no [[task]]"),
    "a task that is no table": ("task = [3]", "must be a table"),
    "an unknown operation": (TASK.replace('"relu"\n', '"rellu"\n').replace('name = "rellu"', 'name = "a"'), "did you mean"),
    "an unknown option": (TASK + "[[task]]\nname = 'b'\noperation = 'conv2d(strid=2)'", "has no option 'strid'"),
    "an unknown option of an optimizer": (TASK + "[[task]]\nname = 'b'\noperation = 'Adam(rate=2)'", "task 'b'"),
    "a variant that is unknown": (TASK + "variants = ['nothing']", "variants: there is no operation 'nothing'"),
    "no operation": ("[[task]]\nname = 'relu'", "operation must be what the code should compute"),
    "no name": ("[[task]]\noperation = 'relu'", "name must be a word"),
    "a name that is a path": ("[[task]]\nname = '../relu'\noperation = 'relu'", "name must be a word"),
    "a file in a folder": (TASK + "file = '../relu.py'", "file must be the name of a Python file"),
    "two tasks of one name": (TASK + TASK, "two tasks are called 'relu'"),
    "negative points": (TASK + "points = -1", "points must be a number from 0 to 1,000,000, not -1"),
    "points that are no number": (TASK + "points = 'two'", "points must be a number, not 'two'"),
    "points that are true": (TASK + "points = true", "points must be a"),
    "points that are nan": (TASK + "points = nan", "points must be a number from 0 to 1,000,000, not nan"),
    "a gradient that is not there": (TASK + "gradients = { weight = 1 }", "relu has no gradient 'weight'"),
    "points that are not the sum": (TASK + "points = 3\ngradients = { input = 1 }", "the sum of gradients, 1, not 3"),
    "a level of hints": (TASK + "hints = 4", "hints must be 0, 1, 2 or 3, not 4"),
    "an unknown key": (TASK + "point = 2", "there is no key 'point': did you mean 'points'"),
    "an unknown key at the top": ("time = 2\n" + TASK, "there is no key 'time'"),
    "no time": ("cpu = 0\n" + TASK, "cpu must be a whole number from 1 to 86,400, not 0"),
    "an unknown form": (TASK + "form = 'lambda'", "form must be one of"),
    "a reference that is not there": (TASK.replace('= "relu"\n', '= "own.py:f"\n').replace('name = "own.py:f"', 'name = "a"'), "there is no file"),
    "a list that is a text": (TASK + "only = 'input'", "only must be a list"),
    "one bracket for two": (TASK.replace("[[task]]", "[task]"), "write a task as [[task]], not as [task]"),
    "a call that does not end": (TASK + "[[task]]\nname = 'b'\noperation = 'Adam('", "cannot read --against 'Adam('"),
    "a stride of which nothing comes": (TASK + "variants = ['conv2d(stride=-1)']", "variants: conv2d has no stride=-1: expected whole numbers from 1"),
    "a stride of 0": (TASK + "variants = ['conv2d(stride=0)']", "conv2d has no stride=0: expected whole numbers from 1"),
    "an option of the wrong kind": (TASK + "variants = ['layer_norm(eps=wide)']", "layer_norm has no eps='wide': expected a number"),
    "a reference without the function": (TASK + "variants = ['relu.py:f']", "has no 'f'"),
    "no function": (TASK + "function = ''", "function must be a name that Python knows"),
    "a function that is a call": (TASK + "function = 'relu()'", "not 'relu()'"),
    "a task whose name is no function's": ("[[task]]\nname = 'a-b'\noperation = 'relu'", "function must be a name"),
    "an optimizer's form": (TASK + "form = 'optimizer'", "relu is no optimizer"),
    "a gradient to judge that is not there": (TASK + "only = ['wieght']", "relu has no gradient 'wieght'"),
    "points for what is not judged": ("[[task]]\nname = 'linear'\noperation = 'linear'\nonly = ['weight']\ngradients = { bias = 1 }", "among those that only names, weight, not 'bias'"),
    "a hidden file": (TASK + "file = '.relu.py'", "file must be the name of a Python file"),
    "a file's name of two lines": (TASK + 'file = "a\\nb.py"', "file must be the name of a Python file"),
    "a name too long for a file": (f"[[task]]\nname = '{'a' * 300}'\noperation = 'relu'", "name must be a word of at most 100"),
    "more memory than there are addresses": ("memory = 1e300\n" + TASK, "memory must be a number above 0, and at most 1,048,576"),
    "a clock that no timer has": ("wall = 1e300\n" + TASK, "wall must be a number above 0, and at most 86,400"),
    "a part of a package": ("forbidden = ['scipy.special']\n" + TASK, "forbidden must be names of packages"),
    "a package that is allowed anyhow": (TASK + "allow = ['tortch']", "did you mean 'torch'"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_said_in_one_line(tmp_path, kind, capsys):
    """Catches an assignment that fails in the middle of a class, or with a traceback."""
    content, said = WRONG[kind]
    path = tmp_path / "assignment.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "relu.py").write_text("raise SystemExit('it was run')", encoding="utf-8")
    assert main(["grade", str(path), str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error, error
    assert error.count("\n") == 1, error
    assert str(path) in error or str(tmp_path) in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what to grade"),
        (("a.toml",), "say what to grade"),
        (("missing.toml", "."), "cannot read missing.toml"),
        (("a.toml", "missing"), "there is no folder missing"),
        (("a.toml", "empty"), "has no submissions"),
        (("a.toml", "twice"), "two submissions of ada"),
        (("a.toml", "loose"), "asks for relu.py, linear.py"),
        (("a.toml", "long"), "name has more than 240 bytes"),
        (("a.toml", "a.toml"), "is no submission: expected a folder, a .zip or a .py"),
        (("a.toml", "twice", "--workers", "0"), "--workers must be positive"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch, capsys, words, said):
    """Catches a command that begins without its files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text(TASK + "[[task]]\nname = 'linear'\noperation = 'linear'", encoding="utf-8")
    for folder in ("empty", "twice/ada", "loose", f"long/{'a' * 250}"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "twice" / "ada.zip").write_bytes(b"")
    (tmp_path / "loose" / "ada.py").write_text("", encoding="utf-8")
    assert main(["grade", *words]) == 2
    error = capsys.readouterr().err
    assert said in error, error
    assert error.count("\n") == 1, error
    assert not (tmp_path / "grades").exists()


def test_everything_that_a_task_may_say(tmp_path):
    """Catches a key that is read and not kept."""
    path = tmp_path / "assignment.toml"
    (tmp_path / "own.py").write_text("def f(x):\n    return x\n", encoding="utf-8")
    path.write_text(
        'title = "T"\nhints = 2\nforbidden = ["torch"]\ncpu = 5\nwall = 7\nmemory = 0.5\n'
        '[[task]]\nname = "t"\nfile = "f.py"\nfunction = "g"\noperation = "linear"\nvariants = ["linear"]\nhints = 0\n'
        'gradients = { input = 1, weight = 2.5 }\nonly = ["input", "weight"]\narguments = ["W=weight.T"]\nform = "class"\n'
        'strict = true\nallow = ["torch"]\n[[task]]\nname = "o"\noperation = "own.py:f"\n',
        encoding="utf-8",
    )
    read = assignment.read(path)
    assert (read.title, read.forbidden, read.cpu, read.wall, read.memory) == ("T", ("torch",), 5, 7.0, 0.5)
    first, second = read.tasks
    assert first == assignment.Task(
        "t", "f.py", "g", "linear", ("linear",), 3.5, {"input": 1.0, "weight": 2.5}, 0, ("input", "weight"),
        ("W=weight.T",), "class", True, ("torch",),
    )  # fmt: skip
    assert (second.file, second.function, second.hints, second.points) == ("o.py", "o", 2, 1.0)
    assert second.operation == f"{tmp_path.resolve() / 'own.py'}:f"


def test_a_mark_at_the_beginning_is_no_mistake(tmp_path):
    """Catches an assignment that an editor on Windows has saved, and that is called no TOML."""
    path = tmp_path / "assignment.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TASK.encode())
    assert [task.name for task in assignment.read(path).tasks] == ["relu"]


def test_the_error_is_a_users(tmp_path):
    """Catches an exception of another kind for whoever reads an assignment from Python."""
    with pytest.raises(UserError, match="cannot read"):
        assignment.read(tmp_path / "none.toml")
