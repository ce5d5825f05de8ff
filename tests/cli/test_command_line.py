"""The `torchref` command: what it says, its exit status, and that a mistake is one line and writes nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from torchref.cli.command_line import COMMANDS, main
from torchref.cli.completion import SHELLS
from torchref.compare.catalogue import listing, seconds
from torchref.compare.errors import UserError
from torchref.compare.record.metrics import read_metrics
from torchref.compare.train import checkpoint
from torchref.compare.train.progress import ProgressDisplay

TINY = str(Path(__file__).parents[1] / "compare" / "tiny.py")


def command(*arguments, **options):
    """The command as a process of its own."""
    words = [sys.executable, "-m", "torchref", *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def refused(capsys, *arguments):
    """The one line that a mistake is answered with."""
    assert main(list(arguments)) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.count("\n") == 1, errors
    return errors


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The tiny comparison, trained once, to be looked at by several tests."""
    out = tmp_path_factory.mktemp("trained")
    return out, command("compare", TINY, "--out", str(out))


HEAVY = {"numpy", "scipy", "torch", "sklearn", "tensorboard", "rich", "google", "sympy"}
ANSWERS = [
    ["--help"],
    ["--version"],
    ["compere"],
    ["list"],
    ["completion", "zsh"],
    *([name, "--help"] for name in COMMANDS),
]


@pytest.mark.parametrize("arguments", ANSWERS, ids=" ".join)
def test_answers_at_once(arguments):
    """Catches a help text that takes seconds because of what is imported for it: NumPy, torch, and what they need."""
    code = f"""
import sys
from torchref.cli.command_line import main
try:
    main({arguments!r})
except SystemExit:
    pass
heavy = {HEAVY!r} & sys.modules.keys()
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_list(capsys):
    """Every comparison that ships is listed with its duration and its claim; what one builds on comes first."""
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    names = [line.split()[0] for line in shown.splitlines() if line.startswith("  ")]
    assert names == list(listing())
    assert names.index("digits") < names.index("neuron") < names.index("mlp") < names.index("transformer")
    assert all(f"{seconds(name)} s" in shown for name in names)
    assert main(["list", "--json"]) == 0
    claims = json.loads(capsys.readouterr().out)
    assert all(claims.values())


def test_help_is_a_command(capsys):
    """Catches `torchref help`, which people type, answered with "there is no command"."""
    assert main(["help"]) == 0
    whole = capsys.readouterr().out
    assert all(f"\n  {name}" in whole for name in COMMANDS)
    with pytest.raises(SystemExit, match="0"):
        main(["help", "compare"])
    assert "usage: torchref compare" in capsys.readouterr().out
    assert main(["help", "completion"]) == 0
    assert "usage: torchref completion" in capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_completion(capsys, shell):
    """Catches a script that lacks a command or an option of one."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)
    assert "--sabotage" in script
    assert "--no-files" not in script  # the files are completed, too


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_what_is_begun(tmp_path):
    """Catches a script that bash reads and that completes nothing."""
    script = tmp_path / "torchref.bash"
    script.write_text(command("completion", "bash").stdout)
    asked = f"""source {script}
COMP_WORDS=(torchref compare --sab) COMP_CWORD=2
$(complete -p torchref | sed 's/.* -F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=False)
    assert "--sabotage" in done.stdout, done


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_files(tmp_path):
    """Catches a script under which `torchref check stu<TAB>` finds no file, as it does without the script."""
    script = tmp_path / "torchref.bash"
    script.write_text(command("completion", "bash").stdout)
    done = subprocess.run(
        ["bash", "-c", f"source {script}; complete -p torchref"], capture_output=True, text=True, check=False
    )
    assert "-o default" in done.stdout, done


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["completion"], "completion: there is no script for '': known: bash, zsh, fish"),
        (["referee"], "referee: say what to judge: FILE.py:MAKE"),
        (["referee", TINY], "tiny.py' is not FILE.py:MAKE, a file and a function that returns (model, closure)"),
        (["referee", f"{TINY}:modle"], "tiny.py has no function 'modle': did you mean 'model'?"),
        (["compere"], "there is no command 'compere': did you mean 'compare'?"),
        (["compare", "digit"], "there is no comparison 'digit': did you mean 'digits'?"),
        (["compare", "nowhere.py"], "there is no file nowhere.py"),
        (["compare", "--sede", "3"], "--sede, 3 (did you mean --seed?)"),
        (["compare", "--seed", "x"], "--seed: no type matching INT could be instantiated from ['x']"),
        (["compare", "--seed", "-1"], "seed must be a whole number from 0 to 2^32 - 1, not -1"),
        (["compare", "--epochs"], "'--epochs'"),
        (["compare", "--epochs", "0"], "epochs must be a whole number of at least 1, not 0"),
        (["compare", "--batch-size", "-4"], "batch_size must be a whole number of at least 1, not -4"),
        (["compare", "--dtype", "float16"], "dtype must be one of float32, float64, not 'float16'"),
        (["compare", "--device", "tpu"], "device must be one of auto, cpu, cuda, not 'tpu'"),
        (["compare", "--config", "nowhere.toml"], "config: cannot read nowhere.toml"),
        (["compare", TINY, "--only", "dropuot"], "only: there is no variant 'dropuot': did you mean 'dropout'?"),
        (["compare", TINY, "--out", TINY], "tiny.py is not a folder"),
        (["compare", TINY, "--resume"], "resume: there is no run in runs/tiny"),
        (["compare", TINY, "--sabotage", "nine"], "sabotage: there is no layer 'nine'"),
        (["compare", "digits", "more"], "Unrecognized options: more"),
        (["view", "nowhere"], "view: there is no run 'nowhere'"),
        (["view", "--port", "99999"], "view: port must be from 1 to 65535, not 99999"),
        (["view"], "view: there is no run in"),
    ],
)
def test_mistakes(capsys, tmp_path, monkeypatch, arguments, message):
    """Each is one line that names the argument and the value, exit status 2, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_cuda_where_there_is_none(capsys, tmp_path):
    """Silently training on the CPU instead would prove nothing about CUDA."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert "'cuda'" in refused(capsys, "compare", TINY, "--device", "cuda", "--out", str(tmp_path / "runs"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_folder(capsys, tmp_path):
    """Found before the training, not after it."""
    tmp_path.chmod(0o500)
    assert "no permission" in refused(capsys, "compare", TINY, "--out", str(tmp_path / "runs"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = ", "is no TOML"),
        ("sede = 3", "config: unknown key 'sede': did you mean 'seed'?"),
        ('comparison = "digits"', "config: it is for the comparison 'digits', not for 'tiny'"),
        ("comparison = 3", "config: it is for the comparison 3"),
        ('seed = "3"', "seed must be a whole number"),
        ("variants = 3", "config: variants must be tables of options, not 3"),
        ("variants = {}", "variants must name at least one variant"),
    ],
)
def test_mistakes_in_a_config(capsys, tmp_path, text, message):
    """A misspelt key must not be passed over in silence."""
    config = tmp_path / "config.toml"
    config.write_text(text)
    assert message in refused(capsys, "compare", TINY, "--config", str(config), "--dry-run")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "holds no Comparison; it must hold exactly one"),
        ("x = (", "line 1: SyntaxError"),
        ("\n\nraise ValueError('no luck\\nat all')", "line 3: ValueError: no luck"),
        ("import numpie", "line 1: ModuleNotFoundError"),
        (Path(TINY).read_text() + "\nfrom dataclasses import replace\nb = replace(tiny, name='b')", "2 Comparisons"),
        (Path(TINY).read_text().replace("epochs=2", "epochs='2'"), "epochs must be a whole number"),
    ],
)
def test_mistakes_in_a_file(capsys, tmp_path, source, message):
    """A user's own file: the line that is wrong, in one line."""
    path = tmp_path / "mine.py"
    path.write_text(source)
    said = refused(capsys, "compare", str(path), "--dry-run")
    assert message in said
    assert "mine.py" in said


def test_compare(trained):
    """The whole way: table and verdict on stdout, plain progress on stderr, exit 0, everything recorded."""
    out, done = trained
    assert done.returncode == 0, done.stderr
    assert "EQUAL: 12 steps" in done.stdout
    assert "torchref view" in done.stdout
    assert "plain: step 1 of 6" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert {p.name for p in (out / "tiny").iterdir()} == {"about", "plain", "dropout", "config.toml", "report.json"}
    assert json.loads((out / "tiny" / "report.json").read_text())["passed"] is True
    losses = read_metrics(out / "tiny" / "plain")
    assert len(losses["numpy"]["loss/step"]) == 6
    assert losses["numpy"]["loss/step"] != []


def test_a_run_that_is_there_is_kept(trained, capsys):
    """A second run must not overwrite the first."""
    out, _ = trained
    before = (out / "tiny" / "report.json").read_bytes()
    assert "tiny is already there" in refused(capsys, "compare", TINY, "--out", str(out))
    assert (out / "tiny" / "report.json").read_bytes() == before


def test_config_is_reusable(trained, capsys, tmp_path):
    """config.toml read back gives the same run; an option on the command line wins over it."""
    out, _ = trained
    config = out / "tiny" / "config.toml"
    settings = tomllib.loads(config.read_text())
    assert (settings["comparison"], settings["epochs"], settings["seed"]) == ("tiny", 2, 0)
    changed = tmp_path / "changed.toml"
    changed.write_text(config.read_text().replace("seed = 0", "seed = 5").replace("p = 0.3", "p = 0.25"))
    assert main(["compare", TINY, "--config", str(changed), "--epochs", "1", "--dry-run", "--out", "x"]) == 0
    shown = tomllib.loads(capsys.readouterr().out.partition("would train")[0])
    assert (shown["seed"], shown["epochs"], shown["batch_size"]) == (5, 1, 6)
    assert shown["variants"] == {"plain": {"p": 0.0}, "dropout": {"p": 0.25}}
    assert not Path("x").exists()


def test_json(capsys, tmp_path):
    """Nothing but the report on stdout, nothing on stderr; a mismatch is exit status 1 and is named."""
    words = ["compare", TINY, "--only", "plain", "--json", "--out", str(tmp_path)]
    assert main([*words, "--sabotage", "4"]) == 1
    output, errors = capsys.readouterr()
    report = json.loads(output)
    assert errors == ""
    assert report["passed"] is False
    assert report["variants"][0]["divergence"]["layer"] == "4"


def test_ctrl_c_and_resume(capsys, tmp_path, monkeypatch):
    """Exit status 130, the command that continues, and that it does."""
    show = ProgressDisplay.__call__

    def interrupt(self, variant, step, steps, index=0, count=1):
        if (variant, step) == ("dropout", 4):
            raise KeyboardInterrupt
        show(self, variant, step, steps, index, count)

    monkeypatch.setattr(ProgressDisplay, "__call__", interrupt)
    words = ["compare", TINY, "--out", str(tmp_path), "--seed", "3"]
    assert main(words) == 130
    said = capsys.readouterr().err
    assert "torchref compare" in said
    assert "--resume" in said
    monkeypatch.setattr(ProgressDisplay, "__call__", show)
    assert main(["compare", TINY, "--out", str(tmp_path), "--resume"]) == 0  # the seed comes from the run's config
    assert "EQUAL: 12 steps" in capsys.readouterr().out
    assert main([*words[:-1], "4", "--resume"]) == 2
    assert "seed" in capsys.readouterr().err


def test_kill_and_resume_bit_for_bit(tmp_path, trained, capsys):
    """kill -9 in the middle of an epoch: the continued run ends with the same weights, optimizer, random state,
    metrics and report as one that was never interrupted."""
    code = f"""
import os, signal
from torchref.compare.train import run as training
from torchref.compare.train import variant as variant_training
from torchref.compare.catalogue import find

variant_training.CHECKPOINT_SECONDS = 0.0

def kill(variant, step, steps, index, count):
    if (variant, step) == ("dropout", 5):
        os.kill(os.getpid(), signal.SIGKILL)

training.run(find({TINY!r}), out={str(tmp_path)!r}, on_progress=kill)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert 0 < checkpoint.load(tmp_path / "tiny" / "dropout" / "checkpoint")[0] < 6
    resumed = command("compare", TINY, "--out", str(tmp_path), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    for variant in ("plain", "dropout"):
        whole, continued = trained[0] / "tiny" / variant, tmp_path / "tiny" / variant
        assert read_metrics(continued) == read_metrics(whole)
        (step, arrays, state), (other_step, other_arrays, other_state) = (
            checkpoint.load(folder / "checkpoint") for folder in (whole, continued)
        )
        assert step == other_step
        assert {n: a.tobytes() for n, a in arrays.items()} == {n: a.tobytes() for n, a in other_arrays.items()}
        for each in (state, other_state):  # event files hold times, and there are more of them
            del each["record"], each["finished"]
        assert without_times(state) == without_times(other_state)


def test_a_damaged_checkpoint_is_named(tmp_path, trained, capsys):
    """One line with the file's name, instead of training on from garbage."""
    import shutil

    shutil.copytree(trained[0] / "tiny", tmp_path / "tiny")
    path = next((tmp_path / "tiny" / "plain" / "checkpoint").glob("*.npz"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    said = refused(capsys, "compare", TINY, "--out", str(tmp_path), "--resume")
    assert path.name in said
    assert "damaged" in said


def without_times(tree):
    """The same without the seconds, which no two runs share."""
    if isinstance(tree, dict):
        return {key: without_times(value) for key, value in tree.items() if "seconds" not in key}
    if isinstance(tree, list):
        if tree and isinstance(tree[0], str) and "seconds" in tree[0]:
            return None
        return [without_times(item) for item in tree]
    return tree


def test_one_thread_unless_another_number_is_asked_for(monkeypatch):
    """Catches a default under which the waiting engine's threads take the cores of the working one."""
    from torchref.cli.commands.compare import set_threads

    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    monkeypatch.setattr(os, "environ", {})
    set_threads(None)
    assert [os.environ[name] for name in names] == ["1", "1", "1"]
    set_threads(3)
    assert [os.environ[name] for name in names] == ["3", "3", "3"]
    monkeypatch.setattr(os, "environ", {"OMP_NUM_THREADS": "3"})
    set_threads(None)
    assert [os.environ[name] for name in names] == ["3", "3", "3"]
    with pytest.raises(UserError, match=r"threads must be at least 1, not 0"):
        set_threads(0)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("digits", "did you mean torchref compare digits?"),
        ("batch-norm", "did you mean torchref compare batch-norm?"),
        ("mine.py", "did you mean torchref compare mine.py?"),
        ("version", "torchref --version says which torchref this is"),
        ("-v", "torchref --version says which torchref this is"),
        ("comprae", "did you mean 'compare'?"),
    ],
)
def test_what_somebody_types_for_a_command(capsys, typed, said):
    """Catches a list of the commands in answer to what is plainly meant."""
    assert said in refused(capsys, typed)
