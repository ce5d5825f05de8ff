"""The report, what is refused before it, and the command."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.referee.runs import assert_equal, scalar
from torchref.check.report.html import STYLE
from torchref.cli.command_line import main
from torchref.referee import Judgement, RefereeError, entry, judge
from torchref.referee.entries.table import ENTRIES
from torchref.referee.html import page


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


@pytest.fixture
def x():
    torch.manual_seed(1)
    return torch.randn(6, 4, dtype=torch.float64)


def test_a_report_counts_and_names(model, x):
    """Catches a report that loses tensors, or forgets where they are."""
    report = assert_equal(model, lambda: scalar(model(x)))
    assert report.counts("parameter") == (4, 0, 0)
    assert {j.name for j in report.judged if j.kind == "parameter"} == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert {j.module for j in report.judged if j.op == "addmm"} == {"0", "2"}
    assert all("tests/referee" in j.source for j in report.judged if j.kind == "intermediate")
    assert report.verdict == "EQUAL"
    assert report.status == 0
    assert json.loads(report.as_json())["passed"] is True
    assert "0.weight" in report._repr_html_()
    assert report.text().startswith("EQUAL")


class Tripled(torch.autograd.Function):
    """y = 3 x; its backward is wrong by a tenth."""

    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, dy):
        return 3.3 * dy


def test_the_page_is_check_s(model, x, unknown):
    """Catches a page without a style, in one colour for the dark, or that leaves out a group, a place or a mistake."""
    report = judge(model, lambda: scalar(model[2](unknown(model[:2](x)))))
    parted = judge(model, lambda: scalar(Tripled.apply(model(x))), engine="eager")
    parted.parted[0] = replace(parted.parted[0], diagnosis="<b>less than</b>")
    for shown in (page(parted), parted._repr_html_()):
        assert STYLE in shown
        assert "prefers-color-scheme:dark" in shown
        assert '<span class="wrong">PARTED</span>' in shown
        assert "First to part: Tripled" in shown
        assert "test_report.py:" in shown
        assert "1.1000 times what it should be" in shown
        assert "&lt;b&gt;less than&lt;/b&gt;" in shown
        assert all(j.name in shown for j in (*parted.parted, *parted.judged))
        assert shown.count("<table>") == shown.count("</table>") == 4  # the counts, the first, the parted, the equal
    assert '<span class="none">NOT JUDGED</span>' in page(report)
    assert "no entry for it" in page(report)
    both = replace(parted, eager=report)
    assert "The eager run" in page(both)


def test_a_place_is_shown_as_it_is_typed(tmp_path, monkeypatch):
    """Catches an absolute path where the user has typed a short one, and a long way round where that is longer."""
    monkeypatch.chdir(tmp_path)
    here = Judgement("x", "intermediate", source=f"{tmp_path}/mine.py:10", op="mul")
    assert here.lines()[0] == ("line", "mine.py:10")
    assert "at mine.py:10" in here.line()
    assert replace(here, source="/a.py:3").lines()[0] == ("line", "/a.py:3")


@pytest.fixture
def unknown():
    """An operation without entry: y = x^3."""

    @torch.library.custom_op("referee_test::cube", mutates_args=())
    def cube(x: torch.Tensor) -> torch.Tensor:
        return x**3

    cube.register_autograd(
        lambda ctx, dy: 3 * ctx.saved_tensors[0] ** 2 * dy,
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )
    yield cube
    ENTRIES.pop("referee_test::cube", None)


def test_what_has_no_entry_is_not_judged(model, x, unknown):
    """Catches a pass for what nobody looked at: the operation, and the parameters whose gradients go through it."""
    report = judge(model, lambda: scalar(model[2](unknown(model[:2](x)))))
    assert not report.passed
    assert report.status == 3
    names = {j.name for j in report.not_judged}
    assert names == {"referee_test::cube", "0.weight", "0.bias"}, report.text()
    assert {j.name for j in report.judged if j.kind == "parameter"} >= {"2.weight", "2.bias"}
    assert "NOT JUDGED: referee_test::cube" in report.text()


def test_an_entry_of_ones_own(model, x, unknown):
    """Catches an entry that is not asked, and one that is believed although it is wrong."""

    @entry("referee_test::cube")
    def cube(x):
        def backward(dy):
            return 3 * x * x * dy

        return x**3, backward

    assert_equal(model, lambda: scalar(model[2](unknown(model[:2](x)))))

    @entry("referee_test::cube")
    def wrong(x):
        return x**3, lambda dy: x * x * dy

    report = judge(model, lambda: scalar(model[2](unknown(model[:2](x)))))
    assert report.verdict == "PARTED"
    assert report.first.op == "referee_test::cube"


@pytest.mark.parametrize(
    "through",
    [
        lambda h: torch.linalg.det(h.T @ h + (1 + 1j) * torch.eye(h.shape[1], dtype=h.dtype)).abs(),
        lambda h: torch.linalg.eigvals(h.T @ h + torch.ones_like(h.T @ h).triu()).abs(),
    ],
    ids=["determinant of complex numbers", "eigenvalues"],
)
def test_what_entries_cannot_read_is_not_judged(model, x, through):
    """Catches an operation without an entry, or one on complex numbers, that passes or is accused."""
    report = judge(model, lambda: scalar(through(model(x).repeat(1, 2))))
    assert report.verdict == "NOT JUDGED", report.text()
    assert not report.parted
    assert report.counts("parameter") == (0, 0, 4)


@pytest.mark.parametrize("forward_fails", [True, False])
def test_an_entry_that_fails_is_not_judged(model, x, unknown, forward_fails):
    """Catches a crash, or a pass, where a user's own entry raises."""

    def fail(*_):
        raise IndexError("mine")

    @entry("referee_test::cube")
    def cube(x):
        return fail() if forward_fails else (x**3, fail)

    report = judge(model, lambda: scalar(model[2](unknown(model[:2](x)))))
    assert report.verdict == "NOT JUDGED"
    assert any("IndexError('mine')" in j.reason for j in report.not_judged)


def gone(loss):
    loss.backward()
    return loss


REFUSED = [
    ("a scalar", lambda model, x: model(x)),
    ("a real number, not complex128", lambda model, x: torch.complex(model(x), x[:, :3]).sum()),
    ("has freed the graph", lambda model, x: gone(model(x).sin().sum())),
    ("must return the loss", lambda model, x: 1.0),
    ("needs no gradient", lambda model, x: model(x).sum().detach()),
    ("no operation", lambda model, x: torch.ones((), requires_grad=True)),
    ("on a parameter of the model", lambda model, x: (x.clone().requires_grad_() * 2).sum()),
    ("nan in the forward: first from log", lambda model, x: model(x).log().sum()),
]


@pytest.mark.parametrize(("said", "closure"), REFUSED, ids=[said for said, _ in REFUSED])
def test_what_cannot_be_judged_is_refused(model, x, said, closure):
    """Catches a traceback, or a verdict, for a closure in which there is nothing to judge."""
    with pytest.raises(RefereeError, match=said):
        judge(model, lambda: closure(model, x))


def test_a_model_without_gradients_is_refused(model, x):
    """Catches a run of minutes for a frozen model."""
    with pytest.raises(RefereeError, match="no parameter"):
        judge(model.requires_grad_(False), lambda: scalar(model(x)))


def test_what_is_no_model_and_no_closure_is_refused(model, x):
    """Catches a traceback for arguments in the wrong place, as for a closure that wants some."""
    with pytest.raises(RefereeError, match=r"must be a torch\.nn\.Module, not list"):
        judge([model], lambda: scalar(model(x)))
    with pytest.raises(RefereeError, match="must be a function, not Tensor"):
        judge(model, scalar(model(x)))
    with pytest.raises(RefereeError, match=r"the engine eager calls closure\(\), which fails"):
        judge(model, lambda batch: scalar(model(batch)))


def test_a_report_beside_a_training(model, x, tmp_path):
    """Catches counts, a text or a step that TensorBoard does not get."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for step in (0, 10):
            judge(model, lambda: scalar(model(x))).write(writer, step)
    events = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    judged = [(event.step, event.value) for event in events.Scalars("referee/judged")]
    assert [step for step, _ in judged] == [0, 10]
    assert judged[0][1] > 4
    assert events.Scalars("referee/parted")[0].value == events.Scalars("referee/not judged")[0].value == 0
    assert 0 < events.Scalars("referee/largest share of a bound")[0].value < 1
    (text,) = [tag for tag in events.Tags()["tensors"] if "referee" in tag]
    assert b"EQUAL" in events.Tensors(text)[0].tensor_proto.string_val[0]


def test_how_far_it_is_is_told(model, x, capsys, monkeypatch, tmp_path):
    """Catches a silent judgement of minutes, a line that stays, and control characters in a file."""
    told = []
    judge(model, lambda: scalar(model(x)), tell=told.append)
    assert told[0] == "the run"
    assert any(line.startswith("place by place, trial 1: 0 of") for line in told)
    file = tmp_path / "mine.py"
    file.write_text(FILE.format(factor="2"))
    assert main(["referee", f"{file}:make"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["referee", f"{file}:make"]) == 0
    shown = capsys.readouterr().err
    assert "the replay of" in shown
    assert "\n" not in shown
    assert shown.endswith("\r")


def test_an_engine_that_is_not_there_is_refused(model, x):
    """Catches a name that is taken for eager."""
    with pytest.raises(RefereeError, match="there is no engine 'warp'"):
        judge(model, lambda: scalar(model(x)), engine="warp")
    with pytest.raises(RefereeError, match="draws must be"):
        judge(model, lambda: scalar(model(x)), draws="new")


FILE = """
import torch
from torch import nn
from torch.nn import functional as F

class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2
    @staticmethod
    def backward(ctx, dy):
        return dy * {factor}

def make():
    model = nn.Linear(4, 3).double()
    x = torch.randn(5, 4).double()
    return model, lambda: F.cross_entropy(Scaled.apply(model(x)), torch.tensor([0, 1, 2, 0, 1]))

def nothing():
    return None
"""


@pytest.mark.parametrize(("factor", "status", "verdict"), [("2", 0, "EQUAL"), ("2.02", 1, "PARTED")])
def test_the_command(tmp_path, capsys, factor, status, verdict):
    """Catches a verdict that the exit status, the JSON or the page does not say."""
    file = tmp_path / "mine.py"
    file.write_text(FILE.format(factor=factor))
    file_of_page = tmp_path / "page.html"
    assert main(["referee", f"{file}:make", "--seed", "3", "--json", "--html", str(file_of_page)]) == status
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == verdict
    assert verdict in file_of_page.read_text()
    if status:
        assert said["parted"][0]["op"] == "Scaled"
        assert said["parted"][0]["source"].startswith(str(file))
        assert said["parted"][0]["coefficient"] == pytest.approx(1.01, abs=1e-9)


@pytest.mark.parametrize(
    ("target", "options", "said"),
    [
        ("mine.py", [], "not FILE.py:MAKE"),
        ("gone.py:make", [], "there is no file"),
        ("mine.py:other", [], "has no function 'other'"),
        ("mine.py:nothing", [], "must return (model, closure)"),
        ("mine.py:make", ["--engine", "warp"], "there is no engine 'warp'"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(tmp_path, capsys, monkeypatch, target, options, said):
    """Catches a traceback for what a user can put right."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(FILE.format(factor="2"))
    assert main(["referee", target, *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
