"""Progress: plain lines where there is no terminal, and nothing when quiet."""

import io

from torchref.compare.train import progress
from torchref.compare.train.progress import ProgressDisplay, _duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(stream, **options):
    with ProgressDisplay(stream=stream, **options) as display:
        for index, variant in enumerate(["plain", "dropout"]):
            for step in range(1, 101):
                display(variant, step, 100, index, 2)
    return stream.getvalue()


def test_plain_lines():
    """A log must get a line per variant and at the end, not one per step, and no control characters."""
    lines = run(io.StringIO()).splitlines()
    assert [line.partition(" (")[0] for line in lines] == [
        "plain: step 1 of 100",
        "dropout: step 1 of 100",
        "dropout: step 100 of 100",
    ]
    assert "(50 % of the run" in lines[1], "the share of the whole run beside the step of a variant"
    assert "100 %" in lines[-1]
    assert "left" in lines[1]
    assert "\x1b" not in "".join(lines)


def test_lines_come_with_time():
    """With no waiting between lines, every step has its own."""
    assert len(run(io.StringIO(), seconds_between_lines=0).splitlines()) == 200


def test_quiet():
    """`--json` and `quiet` must leave stderr alone, on a terminal too."""
    assert run(io.StringIO(), quiet=True) == ""
    assert run(Terminal(), quiet=True) == ""


def test_bar_on_a_terminal(monkeypatch):
    """The bar shows the variant and how far it is."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    text = run(Terminal())
    assert "\x1b" in text
    assert "200/200" in text or "dropout" in text


def test_duration():
    """Seconds, minutes and hours."""
    assert [_duration(s) for s in (4.6, 75, 3661)] == ["0:05", "1:15", "1:01:01"]


def test_a_notebook_without_widgets_gets_lines(monkeypatch):
    """Catches rich's bar there, which warns in place of showing anything."""
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    assert "dropout: step 100 of 100" in run(Terminal())


def test_a_notebook_with_widgets_gets_a_bar(monkeypatch):
    """Catches a notebook that is taken for a log, with a new line every few seconds."""
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "find_spec", lambda name: name)
    with ProgressDisplay() as display:
        assert display._bar is not None


def test_what_is_over_is_shown_while_the_rest_runs():
    """Catches a table that a log gets again and again, and one that a terminal does not get."""
    shown = {}
    for stream in (Terminal(), io.StringIO()):
        with ProgressDisplay(stream=stream) as display:
            display("1 of 2 runs", 1, 2)
            display.show(lambda: "the table so far", "a run is over")
            display("2 of 2 runs", 2, 2)
        shown[type(stream)] = stream.getvalue()
    assert "the table so far" in shown[Terminal]
    assert "a run is over" not in shown[Terminal]
    assert "a run is over\n" in shown[io.StringIO]
    assert "the table so far" not in shown[io.StringIO]
    stream = io.StringIO()
    with ProgressDisplay(stream=stream, quiet=True) as display:
        display.show(lambda: "the table so far", "a run is over")
    assert stream.getvalue() == ""
