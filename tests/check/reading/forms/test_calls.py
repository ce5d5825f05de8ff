"""A user's code is called by its roles, guarded; the calls are noted, and said in words."""

import inspect

import numpy as np
import pytest

from torchref.check.ops.find import find
from torchref.check.reading.arguments import match
from torchref.check.reading.forms.calling import CouldNotRun, Snapshot, TimeOut, UserError, call, guarded
from torchref.check.reading.forms.calls import how_called, noting_calls

VALUES = {"input": np.ones((5, 7)), "weight": np.ones(7), "bias": None, "eps": 0.1}


def called(function, op="layer_norm"):
    matching = match(find(op), list(inspect.signature(function).parameters.values()))
    return call(function, matching, VALUES, dict, "the forward")


def test_arguments_go_by_their_roles():
    """Catches arguments handed over in the order of torch, or a keyword that is lost."""
    assert called(lambda gamma, x, *, eps: (gamma.shape, x.shape, eps)) == ((7,), (5, 7), 0.1)


def test_an_argument_without_a_role_keeps_its_default():
    """Catches an argument behind it that takes its place."""
    assert called(lambda x, colour="red", eps=1.0: (colour, eps)) == ("red", 0.1)


def test_what_the_code_raises_is_the_codes():
    """Catches an exception of the user's that looks like ours, SystemExit included."""
    for error in (ValueError("no"), SystemExit(3)):
        with pytest.raises(UserError, match="the forward raised") as caught:
            guarded("the forward", lambda error=error: (_ for _ in ()).throw(error))
        assert caught.value.original is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), TimeOut("late"), MemoryError(), CouldNotRun("ours")])
def test_what_is_ours_passes(error):
    """Catches a Ctrl-C, a time limit or a memory limit that counts as a mistake of the user's."""

    def raises():
        raise error

    with pytest.raises(type(error)) as caught:
        guarded("the forward", raises)
    assert caught.value is error


def test_a_change_in_place_is_seen():
    """Catches an argument that the code changed, nan kept as nan; running statistics may change."""
    x, running = np.array([1.0, np.nan]), np.zeros(2)
    before = Snapshot({"input": x, "running_mean": running, "eps": 1e-5})
    running += 1
    assert before.changed() == []
    x[0] = 2
    assert before.changed() == ["input"]


def test_the_call_in_words():
    """Catches a message that does not say which arguments the code was given."""

    def forward(x, gamma, eps): ...

    with noting_calls() as calls:
        guarded("the forward", forward, np.ones((5, 7)), np.ones(7, np.float32), eps=0.1)
    assert how_called(calls) == (
        "I called forward(x, gamma, eps) with x of shape (5, 7), gamma of shape (7,) (float32) and eps = 0.1."
    )


def test_the_last_call_of_each_part_counts():
    """Catches a sentence as long as the search."""
    with noting_calls() as calls:
        for n in (1, 2, 3):
            guarded("the forward", lambda x: x, np.ones(n))
    assert how_called(calls) == "I called forward(x) with x of shape (3,)."


def test_an_exception_carries_the_calls():
    """Catches an error that has lost how the code was called."""

    def work():
        with noting_calls():
            guarded("the forward", lambda x: None, np.ones(2))
            raise CouldNotRun("no backward")

    with pytest.raises(CouldNotRun) as caught:
        work()
    assert "x of shape (2,)" in how_called(caught.value.calls)
    assert how_called(()) == ""
