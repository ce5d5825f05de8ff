"""Networks that name nothing in English, have no loss, or run on tensors: run, right or wrong, with what was judged."""

import pytest

from tests.check.reference import networks_without_loss, on_tensors
from torchref.check.api import Asked, judge_as

OWN, USUAL, OUTPUT = "its own loss", "a usual loss", "the sum of its output times fixed random numbers"


def judged(name, against="forward"):
    return judged_target(getattr(networks_without_loss, name, None) or getattr(on_tensors, name), against)


def judged_target(target, against):
    return judge_as(target, Asked(against), target.__name__)


@pytest.mark.parametrize(
    ("name", "weights", "how"),
    [
        ("Reseau", "W1 b1 W2 b2", OWN),
        ("Red", "W1 W2", OWN),
        ("Given", "weights1 weights2", USUAL),
        ("Columns", "biases[0] biases[1] weights[0] weights[1]", USUAL),
        ("TwoLayers", "W1 W2", USUAL),
        ("KeepsItsData", "W1 W2", OWN),
        ("FromLabels", "W1 W2", USUAL),
        ("Chain", "layers.0.weights layers.0.biases layers.2.weights layers.2.biases", OUTPUT),
        ("backward_prop", "W1 b1 W2 b2", USUAL),
        ("train_step", "W1 W2", OWN),
        ("one_vector", "params", OWN),
        ("skipgram_loss", "center_vec outside_vectors", OWN),
        ("masked_loss", "x", OWN),
        ("manual", "C W1 W2 b2", OWN),
        ("Netz", "W1 W2", OWN),
    ],
)
def test_right(name, weights, how):
    """Catches a form that is not read, an accusation, a gradient left out, and a loss that the note does not tell."""
    verdict = judged(name)
    assert verdict.verdict == "right", verdict.text()
    assert set(weights.split()) == set(verdict.right)
    assert how in verdict.notes[0]


@pytest.mark.parametrize(
    ("name", "gradients"),
    [
        ("RedSinTangente", {"W1"}),
        ("TwoLayersAtTheWrongTensor", {"W1"}),
        ("ChainBackwards", {"layers.0.weights"}),
        ("backward_prop_no_relu", {"W1"}),
        ("manual_overwrites", {"C"}),
        ("NetzFalsch", {"W1"}),
    ],
)
def test_wrong(name, gradients):
    """Catches a usual loss that hides a mistake, and a mistake that is laid on the wrong weight."""
    verdict = judged(name)
    assert verdict.verdict == "wrong", verdict.text()
    assert {f.gradient for f in verdict.findings} == gradients


def test_a_missing_mask_is_found_beside_the_kink():
    """Catches a search for a repair that tries numbers on the kink itself, where nothing is right."""
    (finding,) = judged("NoMask").findings
    assert finding.slug == "local-derivative-missing"
    assert {finding.gradient, *finding.consequences} == {"X", "W1", "b1"}


@pytest.mark.parametrize("name", ["Reseau", "masked_loss"])
def test_against_the_loss_alone(name):
    """Catches a whole network that is refused because a loss was named that it contains."""
    verdict = judged(name, "cross_entropy")
    assert verdict.verdict == "right", verdict.text()
    assert "judged as a whole" in verdict.notes[0]


class NoBackward:
    """Neither a layer nor a network."""

    def forward(self, x):
        """Keep what nobody reads."""
        self.x = x
        return x

    def describe(self):
        """No gradient."""
        return "nothing"


def test_what_is_missing_is_named():
    """Catches a refusal that does not say which methods are there, and which is wanted."""
    said = judged_target(NoBackward, "relu").error
    assert "has no method 'backward'" in said
    assert "Its methods are: forward, describe" in said


def test_a_refused_network_shows_the_first_trial():
    """Catches a refusal without the data that was tried, without the user's own line, or without what would help."""
    said = judged_target(networks_without_loss.Refused, "forward").error
    assert "the first trial, loss on X" in said
    assert "self.nothing" in said
    assert "--inputs FILE.py:make" in said
