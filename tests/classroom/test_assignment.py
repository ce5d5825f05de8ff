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
    "negative points": (TASK + "points = -1", "points must be a number from 0 on, not -1"),
    "points that are no number": (TASK + "points = 'two'", "points must be a number, not 'two'"),
    "points that are true": (TASK + "points = true", "points must be a"),
    "points that are nan": (TASK + "points = nan", "points must be a number from 0 on, not nan"),
    "a gradient that is not there": (TASK + "gradients = { weight = 1 }", "relu has no gradient 'weight'"),
    "points that are not the sum": (TASK + "points = 3\ngradients = { input = 1 }", "the sum of gradients, 1, not 3"),
    "a level of hints": (TASK + "hints = 4", "hints must be 0, 1, 2 or 3, not 4"),
    "an unknown key": (TASK + "point = 2", "there is no key 'point': did you mean 'points'"),
    "an unknown key at the top": ("time = 2\n" + TASK, "there is no key 'time'"),
    "no time": ("cpu = 0\n" + TASK, "cpu must be a whole number from 1 on, not 0"),
    "an unknown form": (TASK + "form = 'lambda'", "form must be one of"),
    "a reference that is not there": (TASK.replace('= "relu"\n', '= "own.py:f"\n').replace('name = "own.py:f"', 'name = "a"'), "there is no file"),
    "a list that is a text": (TASK + "only = 'input'", "only must be a list"),
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
        (("a.toml", "twice", "--workers", "0"), "--workers must be positive"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch, capsys, words, said):
    """Catches a command that begins without its files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text(TASK + "[[task]]\nname = 'linear'\noperation = 'linear'", encoding="utf-8")
    for folder in ("empty", "twice/ada", "loose"):
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


def test_the_error_is_a_users(tmp_path):
    """Catches an exception of another kind for whoever reads an assignment from Python."""
    with pytest.raises(UserError, match="cannot read"):
        assignment.read(tmp_path / "none.toml")
