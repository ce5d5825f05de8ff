"""The exercises: each skeleton is not done, each solution is right, and none is shipped."""

import ast
import subprocess
import sys
import textwrap

import pytest

from tests.classroom.solutions import BODIES, solved
from torchref.check import check
from torchref.check.api import Asked, in_file
from torchref.check.ops.find import find
from torchref.check.reading.targets import targets
from torchref.check.reading.unfinished import NOT_DONE
from torchref.classroom import assignment
from torchref.classroom.exercises.catalogue import EXERCISES
from torchref.cli.command_line import main

each = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


def test_there_are_twenty():
    """Catches an exercise that is lost, and one without a solution."""
    assert len({e.name for e in EXERCISES}) == len(EXERCISES) == 20
    assert set(BODIES) == {e.name for e in EXERCISES}
    numbered = [e.skeleton.partition(".")[0].strip('"') for e in EXERCISES]
    assert numbered == [str(n) for n in range(1, 21)]


@each
def test_an_empty_one_is_not_done(tmp_path, exercise):
    """Catches a skeleton that is called wrong, or that gives a traceback."""
    file = tmp_path / f"{exercise.name}.py"
    file.write_text(exercise.file(0), encoding="utf-8")
    verdict = in_file(str(file), exercise.name, Asked(exercise.operation))
    assert verdict.error.startswith(NOT_DONE), verdict.text()
    assert "\n" not in verdict.error


@each
@pytest.mark.parametrize("seed", [0, 1])
def test_the_solution_is_right_under_every_variant(tmp_path, exercise, seed):
    """Catches a forward that is not the operation's, and a variant that the forward does not take."""
    file = tmp_path / f"{exercise.name}.py"
    file.write_text(solved(exercise.name, seed=seed), encoding="utf-8")
    asked = [t.against for t in targets([str(file)], None)]
    assert asked == [exercise.operation, *exercise.drawn(seed)]
    for operation in asked if seed == 0 or exercise.variants else ():
        verdict = in_file(str(file), exercise.name, Asked(operation))
        assert verdict.ok, verdict.text()
        assert set(exercise.gradients) <= set(verdict.right)
        assert not any("float32" in note for note in verdict.notes), verdict.notes


@each
def test_the_textbook_is_right(exercise):
    """Catches an operation under which the textbook's own function is called wrong."""
    verdict = check(find(exercise.operation).formula.textbook, exercise.operation)
    assert verdict.ok, verdict.text()


@each
def test_a_wrong_one_is_wrong(tmp_path, exercise):
    """Catches an exercise that a wrong backward passes: here the first gradient has twice its size."""
    file = tmp_path / f"{exercise.name}.py"
    whole = solved(exercise.name)
    given, _, last = whole.rpartition("    def backward(")
    twice = f"    def written({last.rpartition('    return ')[0]}"
    arguments = last.partition("(")[0] and last.partition(")")[0]
    doubled = (
        f"    def backward({arguments}):\n        found = written({arguments.partition('=')[0]})\n"
        "        return (2 * found[0], *found[1:]) if isinstance(found, tuple) else 2 * found\n\n"
    )
    file.write_text(f"{given}{twice}{doubled}    return {last.rpartition('    return ')[2]}", encoding="utf-8")
    verdict = in_file(str(file), exercise.name, Asked(exercise.operation))
    assert verdict.verdict == "wrong", verdict.text()


def test_no_solution_is_shipped(tmp_path):
    """Catches a line of a solution in what a student gets."""
    assert main(["exercises", "new", str(tmp_path / "w"), "--hints", "2"]) == 0
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "w").iterdir()}
    assert set(written) == {"assignment.toml", *(f"{e.name}.py" for e in EXERCISES)}
    for name, body in BODIES.items():
        lines = [line.strip() for line in textwrap.dedent(body).strip().splitlines()]
        own = [line for line in lines if line.startswith(("return", "d")) and line != "return dx"]
        assert own, name
        assert not [line for line in own if line in written[f"{name}.py"]]
        backward = next(
            n
            for n in ast.walk(ast.parse(written[f"{name}.py"]))
            if isinstance(n, ast.FunctionDef) and n.name == "backward"
        )
        assert len(backward.body) == 2  # what is to be returned, and that it is not there


@pytest.mark.parametrize(("only", "line"), [("relu", "1 exercise is in"), ("relu,linear", "2 exercises are in")])
def test_it_says_how_many(only, line, tmp_path, capsys):
    """Catches "1 exercises are"."""
    assert main(["exercises", "new", str(tmp_path / "w"), "--only", only]) == 0
    assert capsys.readouterr().out.startswith(line)


def test_the_assignment_asks_for_what_was_written(tmp_path):
    """Catches a task whose file, variants or points are others than the skeleton's."""
    assert main(["exercises", "new", str(tmp_path / "w"), "--only", "attention,linear", "--seed", "3"]) == 0
    read = assignment.read(tmp_path / "w" / "assignment.toml")
    assert [task.file for task in read.tasks] == ["attention.py", "linear.py"]
    assert [task.points for task in read.tasks] == [3, 3]
    attention = next(e for e in EXERCISES if e.name == "attention")
    assert read.tasks[0].variants == attention.drawn(3)


def test_the_seed_draws_the_variants():
    """Catches variants that are the same for every seed, and others from one call to the next."""
    convolution = next(e for e in EXERCISES if e.name == "conv2d")
    drawn = {seed: convolution.drawn(seed) for seed in range(8)}
    assert drawn == {seed: convolution.drawn(seed) for seed in range(8)}
    assert len(set(drawn.values())) > 1
    assert all(set(names) <= set(convolution.variants) for names in drawn.values())


def test_at_home_the_verdict_is_the_teachers(tmp_path, capsys):
    """Catches a student who is right at home and wrong on the server: with `grade`, and with `check`."""
    home, server = tmp_path / "home", tmp_path / "server" / "ada"
    assert main(["exercises", "new", str(home), "--only", "relu,softmax,linear"]) == 0
    (home / "relu.py").write_text(solved("relu"), encoding="utf-8")
    (home / "linear.py").write_text(solved("linear", "return dy @ weight, dy.T @ x, dy.mean(0)"), encoding="utf-8")
    capsys.readouterr()
    assert main(["grade", str(home / "assignment.toml"), str(home), "--quiet"]) == 2
    at_home = capsys.readouterr().out
    server.mkdir(parents=True)
    for file in home.glob("*.py"):
        (server / file.name).write_bytes(file.read_bytes())
    out = tmp_path / "grades"
    assert main(["grade", str(home / "assignment.toml"), str(server.parent), "--quiet", "--out", str(out)]) == 0
    row = (out / "grades.csv").read_text(encoding="utf-8").splitlines()[1]
    assert row == "ada,3,5,1,0,2,right,not done,partly right"
    said = (out / "gradescope" / "ada.json").read_text(encoding="utf-8")
    assert all(word in at_home for word in ("right", "not done", "partly right", "wrong  dbias"))
    assert "wrong  dbias" in said
    capsys.readouterr()
    assert main(["check", *map(str, sorted(home.glob("*.py"))), "--hints", "1"]) == 2
    checked = capsys.readouterr().out
    assert all(word in checked for word in ("RIGHT for input", "WRONG: dbias", NOT_DONE)), checked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say new DIR, list, or hint NAME, not nothing"),
        (("old", "x"), "not old x"),
        (("new", "x", "--only", "atention"), "did you mean 'attention'?"),
        (("new", "there"), "is no empty folder"),
        (("new", "x", "--hints", "7"), "--hints must be 0, 1, 2 or 3, not 7"),
        (("hint", "relu", "--level", "0"), "--level must be 1, 2 or 3, not 0"),
        (("hint", "rellu"), "did you mean 'relu'"),
    ],
)
def test_a_mistake_in_the_command_is_one_line(tmp_path, monkeypatch, capsys, words, said):
    """Catches a traceback, and a folder that is half written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "relu.py").write_text("mine", encoding="utf-8")
    assert main(["exercises", *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "there" / "relu.py").read_text(encoding="utf-8") == "mine"


def test_list_and_hint(capsys):
    """Catches an exercise that is not listed, and a hint that says more than its level."""
    assert main(["exercises", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 20
    for level in (1, 2, 3):
        assert main(["exercises", "hint", "softmax", "--level", str(level)]) == 0
        assert len(capsys.readouterr().out.splitlines()) == level


def test_the_exercises_need_numpy_alone():
    """Catches an import that a browser has not: the page of exercises reads them there."""
    code = (
        "import sys\nfrom torchref.classroom.exercises.catalogue import EXERCISES\n"
        "assert all(e.skeleton and e.file(0) for e in EXERCISES)\n"
        "assert not {'torch', 'scipy', 'rich', 'tyro', 'sklearn', 'tensorboard'} & sys.modules.keys()"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
