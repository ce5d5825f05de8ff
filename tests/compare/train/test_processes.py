"""One run on several processes: every gradient is DDP's, and the report says where DDP's is not the whole batch's."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.forked import on_ranks
from torchref.cli.command_line import main
from torchref.compare.lockstep import across
from torchref.compare.record.metrics import read_metrics
from torchref.compare.train import parallel

HERE = Path(__file__).parent
SHARED, DYING = str(HERE / "shared.py"), str(HERE / "dying.py")
CAUSES = ("batch norm", "the loss divides", "each process draws", "the other examples of its share", "shares differ")


def forget():
    """Take back the import of `shared`: a test may have made it, with another kind."""
    for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) == SHARED]:
        del sys.modules[name]


def trained(folder, kind, world=2, words=(), before=lambda rank: None):
    """What each rank answered for `shared` of this kind."""
    command = ["compare", SHARED, "--parallel", "data", "--out", str(folder), "--json", *words]

    def begin(rank):
        forget()
        os.environ["SHARED"] = kind
        before(rank)

    return on_ranks(world, command, begin)


def figures(found):
    """The report of rank 0, once all have ended well."""
    assert [status for status, _, _ in found] == [0] * len(found), found
    assert all(printed == "" for _, printed, _ in found[1:]), "only rank 0 reports"
    return json.loads(found[0][1])["variants"][0]


@pytest.mark.parametrize(("kind", "world"), [("equal", 2), ("equal", 3), ("unequal", 2), ("float32", 2)])
def test_every_gradient_is_ddps_and_weighted_the_whole_batchs(tmp_path, kind, world):
    """Catches a mean by hand that is not DDP's, shares that overlap or leave an example out, and a wrong weight."""
    found = figures(trained(tmp_path, kind, world))
    u = 2.0**-24 if kind == "float32" else 2.0**-53
    assert found["processes"] == world
    assert found["steps"] == 12
    assert found["ranks_ddp"] <= 8 * u, f"seed 0: {found['ranks_ddp']}"
    assert found["ranks_weighted"] <= 64 * u, f"seed 0: {found['ranks_weighted']}"
    if kind == "unequal" or 8 % world:  # then the mean over ranks is another
        assert found["ranks_mean"] > 0.01
        assert "DDP averages ranks, not examples" in found["ranks_note"]
    else:
        assert found["ranks_mean"] <= 64 * u
        assert found["ranks_note"] == ""


@pytest.mark.parametrize(
    ("kind", "least", "cause"),
    [
        ("batch norm", 0.05, "batch norm (1) takes each share's own mean"),
        ("tokens", 0.05, "the loss divides by something else than the number of examples"),
        ("dropout", 0.0, "each process draws masks of its own"),
    ],
)
def test_the_report_says_where_the_usual_recipe_is_not_the_whole_batch(tmp_path, kind, least, cause):
    """Catches a report that is silent where DDP trains something else, or blames the wrong cause."""
    found = figures(trained(tmp_path, kind))
    assert found["ranks_ddp"] <= 1e-15, f"seed 0: {found['ranks_ddp']}"
    assert found["ranks_weighted"] >= least if least else found["ranks_weighted"] <= 1e-14
    assert cause in found["ranks_note"]
    assert sum(other in found["ranks_note"] for other in CAUSES) == 1, found["ranks_note"]
    if kind == "batch norm":
        synced = float(found["ranks_note"].rpartition(" ")[2])
        assert synced <= 1e-14, f"SyncBatchNorm by hand is {synced} away from the whole batch"


def test_a_process_alone_is_a_run_without_processes(tmp_path):
    """Catches another arithmetic, or another record, under DDP: with one process all is the same, bit for bit."""
    figures(trained(tmp_path / "one", "batch norm", world=1))
    with pytest.MonkeyPatch.context() as patch:
        forget()
        patch.setenv("SHARED", "batch norm")
        assert main(["compare", SHARED, "--out", str(tmp_path / "none"), "--json"]) == 0
    ours, theirs = (read_metrics(tmp_path / folder / "shared" / "default") for folder in ("one", "none"))
    assert ours == theirs


def test_a_fault_on_one_rank_ends_all_in_the_same_step(tmp_path):
    """Catches ranks that wait for ever for one that has found a difference, and a report that does not name it."""

    def plant(rank):
        if rank == 1:
            plain = across.AcrossRanks.__init__

            def planted(self, ranks, twin):
                plain(self, ranks, twin)
                layer = twin.model[0]
                forward = layer.forward

                def disturbed(x):
                    y, backward = forward(x)
                    return y * 1.01, backward

                layer.forward = disturbed

            across.AcrossRanks.__init__ = planted

    found = trained(tmp_path, "equal", before=plant)
    assert [status for status, _, _ in found] == [1, 0], found
    report = json.loads(found[0][1])["variants"][0]
    assert report["ranks_mean"] is report["ranks_ddp"] is None, "no step has measured a mean"
    divergence = report["divergence"]
    assert divergence["step"] == 0
    assert divergence["layer"] == "0"
    assert divergence["tensor"] == "output of 0 on rank 1"


def test_a_mean_that_is_not_ddps_is_found(tmp_path):
    """Catches a judge that never looks at what the ranks' gradients become: here each is weighted a bit wrongly."""

    def plant(rank):
        across.AcrossRanks.mean = lambda self, gradients: self.weighted(gradients, 0.500001)

    found = trained(tmp_path, "equal", before=plant)
    assert [status for status, _, _ in found] == [1, 0], found
    assert json.loads(found[0][1])["variants"][0]["divergence"]["tensor"].startswith("mean-gradient ")


def versions_differ(rank):
    plain = parallel.versions
    parallel.versions = lambda: plain() | ({"numpy": "1.0"} if rank == 1 else {})


def data_differ(rank):
    os.environ["DATA"] = str(rank)


@pytest.mark.parametrize(
    ("kind", "world", "before", "said"),
    [
        ("equal", 2, versions_differ, ["the ranks must have the same numpy", "rank 1 1.0"]),
        ("equal", 2, data_differ, ["the ranks must have the same train_inputs (data)"]),
        ("unequal", 4, None, ["processes: there are 4, and a batch of 3 examples"]),
        ("one", 3, None, ["batch norm (1) cannot normalise a share of 1 example"]),
        ("torch alone", 2, None, ["stands in torch alone", "referee"]),
        ("parts", 2, None, ["takes a batch in 2 parts"]),
        ("synced", 2, None, ["SyncBatchNorm", "GPU"]),
    ],
)
def test_what_cannot_be_is_one_line_before_work_starts(tmp_path, kind, world, before, said):
    """Catches a start that fails later, on each rank, or in a traceback; and one that leaves a folder behind."""
    found = trained(tmp_path, kind, world, before=before or (lambda rank: None))
    assert [status for status, _, _ in found] == [2] + [0] * (world - 1), found
    lines = [line for _, _, err in found for line in err.splitlines()]
    assert len(lines) == 1, lines
    assert [part for part in said if part not in lines[0]] == [], lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--processes", "0"], "processes: there must be one at least, not 0"),
        (["--processes", "2", "--seeds", "2"], "processes: it is for one run"),
        (["--parallel", "data"], "parallel: torchrun starts the processes, and has not started this one"),
        (["--parallel", "tensor"], "parallel: must be data, not 'tensor'"),
        (["--parallel", "data", "--processes", "2"], "leave one of the two out"),
        (["--processes", "9"], "processes: there are 9, and a batch of 8 examples"),
        (["--processes", "2", "--device", "cuda"], "device: 'cuda' is asked for, but torch finds no CUDA device"),
    ],
)
def test_options_that_cannot_be_are_one_line(tmp_path, monkeypatch, capsys, words, said):
    """Catches processes that are started for nothing."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["compare", SHARED, "--out", str(tmp_path), *words]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_fewer_gpus_than_processes_are_one_line(tmp_path, monkeypatch, capsys):
    """Catches nccl's own error, of a page, where two processes would share a GPU."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert main(["compare", SHARED, "--out", str(tmp_path), "--processes", "2", "--device", "cuda"]) == 2
    assert "nccl gives each of 2 processes a GPU of its own, and torch finds 1" in capsys.readouterr().err


# --- a rank dies ------------------------------------------------------------------------------------------------------


def on_dying(folder, world, *words):
    return on_ranks(world, ["compare", DYING, "--parallel", "data", "--out", str(folder), "--json", *words])


def whole(folder):
    """`dying`, on two processes and never interrupted."""
    assert [status for status, _, _ in on_dying(folder, 2)] == [0, 0]
    return folder / "dying"


def command(*words, dies="-1:0:0"):
    """The command in a process of its own, as torch's agent leaves the logs open that it writes."""
    started = [sys.executable, "-m", "torchref", "compare", DYING, *words]
    return subprocess.run(started, env=os.environ | {"DIES": dies}, capture_output=True, text=True, check=False)


def test_a_rank_that_is_killed_is_named_and_the_run_goes_on_to_the_same_bits(tmp_path):
    """Catches ranks that wait for a dead one, a death without a name or a log, and a resume to other bits."""
    ended = command("--processes", "2", "--out", str(tmp_path / "cut"), dies="1:3:9")
    assert ended.returncode == 3
    said = ended.stderr.splitlines()[-1]
    log = Path(said.partition("its log is ")[2].partition(";")[0])
    assert "rank 1 was killed by SIGKILL, and the others were ended" in said
    assert "plain: step 1 of 8" in log.read_text()
    assert f"--resume --out {tmp_path / 'cut'} --processes 2" in said
    copied = shutil.copytree(tmp_path / "cut", tmp_path / "three")
    assert [status for status, _, _ in on_dying(tmp_path / "cut", 2, "--resume")] == [0, 0]
    theirs = whole(tmp_path / "whole")
    for variant in ("plain", "dropout"):
        assert read_metrics(tmp_path / "cut" / "dying" / variant) == read_metrics(theirs / variant), variant

    # On three processes the sums are grouped otherwise: the same training, to rounding.
    assert [status for status, _, _ in on_dying(copied, 3, "--resume", "--only", "plain")] == [0] * 3
    ours, theirs = (read_metrics(f / "plain")["torch"]["loss/step"] for f in (copied / "dying", theirs))
    assert [step for step, _ in ours] == [step for step, _ in theirs]
    apart = np.abs(np.array(ours) - np.array(theirs)).max()
    assert apart <= 1e-14, apart


def test_another_number_of_processes_is_refused_where_it_is_another_training(tmp_path):
    """Catches a run that goes on as another one: each process draws for itself, or DDP's mean was not the whole's."""

    def stop(rank):
        os.environ["DIES"] = "1:3:9"

    command = ["compare", DYING, "--parallel", "data", "--out", str(tmp_path), "--json", "--only", "dropout"]
    assert len(on_ranks(2, command, stop)) == 1, "the dead one sends nothing"
    found = on_ranks(3, [*command, "--resume"])
    assert [status for status, _, _ in found] == [2, 0, 0]
    assert "resume: the run has 2 processes, and would be another training on 3: the network draws" in found[0][2]


@pytest.mark.parametrize("world", [1, 2])
def test_a_run_without_processes_goes_on_with_them(tmp_path, world):
    """Catches a checkpoint of the one that the other cannot read; on two processes it is the same to rounding."""
    begin = ["compare", SHARED, "--out", str(tmp_path / "cut"), "--json"]
    assert [status for status, _, _ in on_ranks(1, [*begin, "--epochs", "1"], lambda _: forget())] == [0]
    found = figures(trained(tmp_path / "cut", "equal", world, ["--resume", "--epochs", "2"]))
    theirs = figures(trained(tmp_path / "whole", "equal", 1))
    assert found["steps"] == theirs["steps"] == 12
    apart = abs(found["training_loss_torch"] - theirs["training_loss_torch"])
    assert apart <= (0.0 if world == 1 else 1e-14), apart


@pytest.mark.parametrize(
    ("kind", "begun_on", "world", "why"),
    [
        ("unequal", 1, 2, "a batch of 3 examples has shares that differ: 2, 1"),
        ("equal", 2, 3, "a batch of 8 examples has shares that differ: 3, 3, 2"),
        ("batch norm", 1, 2, "batch norm takes the statistics of a process's share"),
        ("dropout", 1, 2, "the network draws at random, each process for itself"),
        ("tokens", 1, 2, "of its size away from the whole batch's"),
    ],
)
def test_more_processes_are_refused_where_the_mean_over_them_is_another(tmp_path, kind, begun_on, world, why):
    """Catches a run that goes on as another training: what it measured so far does not tell of so many processes."""
    assert [status for status, _, _ in trained(tmp_path, kind, begun_on, ["--epochs", "1"])] == [0] * begun_on
    before = read_metrics(tmp_path / "shared" / "default")["torch"]["loss/step"]
    found = trained(tmp_path, kind, world, ["--resume", "--epochs", "2"])
    assert [status for status, _, _ in found] == [2] + [0] * (world - 1)
    assert f"and would be another training on {world}: " in found[0][2]
    assert why in found[0][2]
    after = read_metrics(tmp_path / "shared" / "default", finished=False)["torch"]["loss/step"]
    assert after[: len(before)] == before, "seed 0: the record of what was trained is lost"


def test_a_network_that_draws_nothing_goes_on_on_more_processes(tmp_path):
    """Catches a class of the user's own that is taken for one that draws at random."""
    assert [status for status, _, _ in trained(tmp_path, "own class", 1, ["--epochs", "1"])] == [0]
    assert figures(trained(tmp_path, "own class", 2, ["--resume", "--epochs", "2"]))["steps"] == 12


def test_ctrl_c_ends_all_ranks_with_one_line(tmp_path):
    """Catches what torch's agent says of it, and a rank that holds the terminal's pipe for ever."""
    words = ["compare", "digits", "--processes", "2", "--epochs", "10000", "--out", str(tmp_path)]
    started = [sys.executable, "-m", "torchref", *words]
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        for line in process.stderr:
            if "step 1 " in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        said = [line for line in process.stderr.read().splitlines() if line and ": step " not in line]
    assert process.returncode == 130
    assert len(said) == 1, said
    assert said[0].startswith("interrupted; to continue: torchref compare digits --resume")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("number", [9, 11])  # SIGKILL, SIGSEGV
def test_any_rank_may_die_of_any_signal(tmp_path, rank, number):
    """Catches a death of the rank that records, or of one in the middle, and other signals."""
    words = ["--processes", "3", "--out", str(tmp_path), "--only", "dropout"]
    ended = command(*words, dies=f"{rank}:5:{number}")
    assert ended.returncode == 3
    assert f"rank {rank} was killed by SIG" in ended.stderr
    assert command(*words, "--resume").returncode == 0
    theirs = tmp_path / "whole"
    assert [status for status, _, _ in on_dying(theirs, 3, "--only", "dropout")] == [0] * 3
    assert read_metrics(tmp_path / "dying" / "dropout") == read_metrics(theirs / "dying" / "dropout")
