"""The page "about this run" of a run without a result: it is running, or it was broken off."""

import subprocess
import sys
from dataclasses import replace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.compare.tiny import tiny
from torchref import compare
from torchref.compare.catalogue import find_lesson
from torchref.compare.configuration import plain, shown
from torchref.compare.errors import UserError
from torchref.compare.record import unfinished
from torchref.compare.record.unfinished import RUNNING, refuse_if_trained, running_lines, say_broken_off, training
from torchref.compare.teach.teach import teach


def said(folder):
    """The texts that TensorBoard reads of a run's page."""
    found = EventAccumulator(str(folder / "about" / "this run"), size_guidance={"tensors": 0}).Reload()
    return [event.tensor_proto.string_val[0].decode() for event in found.Tensors("about this run")]


class Stop(Exception):
    pass


def test_a_run_says_that_it_is_running_and_then_its_result(tmp_path):
    """Catches a page that comes with the result alone, or that stands beside it; and a mark that stays."""
    pages = []

    def look(*_):
        say_broken_off(tmp_path)  # which it is not
        pages.append(said(tmp_path / "tiny"))

    compare.run(tiny, out=tmp_path, on_progress=look)
    (before,) = pages[0]
    assert "**Running since 20" in before
    assert "### dropout" in before
    assert all(page == pages[0] for page in pages)
    (after,) = said(tmp_path / "tiny")
    assert "**Result: EQUAL" in after
    assert "Running since" not in after
    assert not (tmp_path / "tiny" / RUNNING).exists()


def test_a_run_that_was_broken_off_says_so_and_can_be_resumed(tmp_path):
    """Catches a page that says "running" for ever, and a mark that keeps a resumed run out."""

    def stop(variant, step, *_):
        if step == 3:
            raise Stop

    with pytest.raises(Stop):
        compare.run(tiny, out=tmp_path, on_progress=stop)
    say_broken_off(tmp_path)
    (page,) = said(tmp_path / "tiny")
    assert "**Broken off: begun 20" in page
    assert "`--resume` continues it" in page
    assert "Running since" not in page
    compare.run(tiny, out=tmp_path, resume=True)
    assert "**Result: EQUAL" in said(tmp_path / "tiny")[-1]


def test_a_kill_lets_go_of_the_run(tmp_path):
    """Catches a mark that a killed process leaves locked, and one that two processes can hold at once."""
    code = (
        "import sys, pathlib; from torchref.compare.record.unfinished import training\n"
        "with training(pathlib.Path(sys.argv[1]), 'running', 'broken off'):\n"
        "    print('in', flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "in\n"
        say_broken_off(tmp_path)
        assert said(tmp_path) == ["running"]
        with (
            pytest.raises(UserError, match="another process trains the run"),
            training(tmp_path, *running_lines("Train it again")),
        ):
            pass
        with pytest.raises(UserError, match="another process trains the run"):
            refuse_if_trained(tmp_path)
        process.kill()
        process.wait()
    say_broken_off(tmp_path)
    assert said(tmp_path)[-1] == "broken off"
    refuse_if_trained(tmp_path)


def test_a_lesson_has_a_page_from_its_beginning(tmp_path):
    """Catches a lesson that TensorBoard shows nothing of until it ends, and one that another process removes."""
    lesson = find_lesson("neuron")
    pages = []

    def look(*_):
        say_broken_off(tmp_path)  # which it is not
        pages.append(said(tmp_path / "neuron"))
        with pytest.raises(UserError, match="another process trains the run"):
            teach(lesson, out=tmp_path, quick=True)
        if len(pages) == 2:
            raise Stop

    with pytest.raises(Stop):
        teach(lesson, out=tmp_path, quick=True, on_progress=look)
    (page,) = pages[0]
    assert lesson.headline in page
    assert "**Running since 20" in page
    say_broken_off(tmp_path)
    (page,) = said(tmp_path / "neuron")
    assert "**Broken off: begun 20" in page
    assert "`torchref compare neuron` measures it from the start" in page
    teach(lesson, out=tmp_path, quick=True, seeds=1)
    (page,) = said(tmp_path / "neuron")
    assert "**Verdict: not decided" in page
    assert not (tmp_path / "neuron" / RUNNING).exists()


def test_no_address_is_shown():
    """Catches what is another in every run, and tells a reader nothing: <function <lambda> at 0x7f...>."""
    assert shown(replace) == "<function replace>"
    assert shown([1.5, "a"]) == "[1.5, 'a']"
    assert "0x" not in str(plain([lambda x: x, replace, object(), Stop().__init__]))


def test_another_process_is_waited_for(tmp_path, monkeypatch):
    """Catches a run of a killed worker that fails elsewhere, as the process that trained it has not ended yet."""
    looks = []
    with open(tmp_path / RUNNING, "a+") as file:
        assert unfinished.is_mine(file)

        def ends(seconds):
            looks.append(seconds)
            if len(looks) == 3:
                file.close()

        monkeypatch.setattr(unfinished.time, "sleep", ends)
        unfinished.wait_until_free(tmp_path)
    assert len(looks) == 3
    unfinished.wait_until_free(tmp_path)
    unfinished.wait_until_free(tmp_path / "not there")
    assert len(looks) == 3
