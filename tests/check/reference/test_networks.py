"""A whole network by its own loss: no right one is accused, each mistake gets its name, bad input gets one answer."""

import numpy as np
import pytest

from tests.check.reference import left_out, masked, networks, one_output, tape, unnamed_step
from torchref.check import check
from torchref.check.api import Asked, in_file, judge_as
from torchref.cli.command_line import main


def judged(name, **how):
    return judge_as(getattr(networks, name), Asked(**{"against": "forward", **how}), name)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("LayeredNet", "W1 b1 W2 b2"),
        ("Stack", "layers.0.W layers.0.b layers.1.W layers.1.b"),
        ("Columns", "W1 b1 W2 b2"),
        ("Updates", "weights[0] weights[1]"),
        ("Lists", "biases[0] weights[0]"),
        ("Dropped", "W1 W2"),
        ("forward_backward", "W1 b1 W2 b2"),
        ("loss_of_list", "W1 b1 W2 b2"),
        ("L_model_backward", "W1 b1 W2 b2"),
        ("costFunctionReg", "theta"),
        ("softmax_loss", "x"),
        ("Ascends", "W1 W2"),
        ("Numbered", "W[1] W[2]"),
        ("Logistic", "w b"),
        ("Unseeded", "W1 W2"),
        ("Wide", "W"),
        ("octave", "nn_params"),
        ("ListOfSizes", "W1 W2 W3"),
        ("loss_of_one_weight", "W b"),
    ],
)
def test_right(name, weights):
    """Catches an accusation, a form that is not read, and a gradient that goes unjudged."""
    verdict = judged(name)
    assert verdict.verdict == "right", verdict.text()
    assert set(weights.split()) <= set(verdict.right)
    assert "by its own loss" in verdict.notes[0]


@pytest.mark.parametrize(
    ("name", "slug", "gradient"),
    [
        ("LayeredNetNoMean", "wrong-reduction", "W1"),
        ("ColumnsSum", "wrong-reduction", "b2"),
        ("UpdatesFirst", "unknown", "weights[0]"),
        ("DroppedNoMask", "wrong-mask", "W1"),
        ("forward_backward_twice", "wrong-reduction", "W1"),
        ("cost_forgets_lambda", "local-derivative-missing", "theta"),
        ("WideOneEntry", "scale-forgotten", "W"),
        ("NetNoRelu", "local-derivative-missing", "W1"),
        ("NetTied", "overwritten-not-accumulated", "W"),
        ("NetWords", "repeated-index-overwritten", "E"),
        ("key_backward", "derivative-at-wrong-tensor", "W1"),
        ("backward_of_the_penalty", "scale-forgotten", "W2"),
        ("eleven_lines", "derivative-at-wrong-tensor", "syn0"),
        ("Results", "wrong-reduction", "weight_h"),
        ("OneStepLate", "derivative-at-wrong-tensor", "Whh"),
        ("Entropy", "softmax-jacobian-twice", "weights[0]"),
        ("SumOfAll", "summed-over-wrong-axis", "b1"),
    ],
)
def test_wrong(name, slug, gradient):
    """Catches a mistake that is missed, or named otherwise."""
    verdict = judged(name)
    assert verdict.verdict == "wrong", verdict.text()
    assert (slug, gradient) in [(f.slug, f.gradient) for f in verdict.findings]


def test_a_constant_in_a_logarithm():
    """Catches an accusation of a gradient that leaves log(p + 1e-6)'s constant out, and a mistake that it hides."""
    how = Asked(against="loss")
    verdict = judge_as(left_out.WithConstant, how, "WithConstant")
    assert verdict.verdict == "right", verdict.text()
    wrong = judge_as(left_out.WithConstantNoMean, how, "WithConstantNoMean")
    assert wrong.verdict == "wrong", wrong.text()


def test_ratings_that_are_known_or_not():
    """Catches a mask R that is tried with other numbers than 0 and 1."""
    verdict = judge_as(left_out.ratings_cost, Asked(against="loss"), "ratings_cost")
    assert verdict.verdict == "right", verdict.text()
    assert "R a mask" in verdict.notes[0]


def test_a_mask_of_the_gradient():
    """Catches a variable that is exchanged for what a cache holds."""
    verdict = judge_as(masked.backward_propagation, Asked("loss"), "backward_propagation")
    assert [(f.slug, f.gradient) for f in verdict.findings] == [("wrong-mask", "W1")], verdict.text()
    assert "with `cache['A1']` for `dA1`" in verdict.findings[0].evidence


def test_a_product_that_sets_a_gradient():
    """Catches a square weight that is not guessed, and a gradient of a tape that is set where it must be added to."""
    verdict = judge_as(tape.loss_and_grads, Asked("loss"), "loss_and_grads")
    assert [(f.slug, f.gradient) for f in verdict.findings] == [("overwritten-not-accumulated", "W")], verdict.text()


def test_without_against(capfd):
    """Catches a network that is recognised only where --against says so."""
    path = networks.__file__
    assert main(["check", f"{path}:Stack"]) == 0
    assert "Stack against forward (form: network" in capfd.readouterr().out
    assert in_file(path, "L_model_forward", Asked("loss")).verdict == "could-not-run"
    assert in_file(path, "softmax", Asked(None)).error.startswith("say what it should compute")


def test_an_instance_is_judged_as_it_is():
    """Catches a class that is made anew where the user hands over an instance: this one has other sizes."""
    verdict = check(networks.Stack((4, 6, 5, 2)), "forward")
    assert verdict.verdict == "right", verdict.text()
    assert "layers.2.W" in verdict.right
    assert "X (11, 4)" in verdict.notes[0]


def test_stated_sizes_and_inputs():
    """Catches sizes and inputs that are read and not used."""
    assert "x (9, 6), t (9, 3)" in judged("LayeredNet", sizes="input_size=6,hidden_size=4,output_size=3,N=9").notes[0]
    verdict = judged("naive_softmax_loss", inputs=networks.word_vectors)
    assert set(verdict.right) == {"center", "outside_vectors"}
    given = judged("Stack", inputs=lambda: {"X": np.ones((4, 5)), "y": np.array([0, 1, 2, 0])})
    assert "X (4, 5), y (4,)" in given.notes[0]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("NoGradients", "gave a loss, and no gradients: none is returned, none is kept as dW"),
        ("Undecided", "the loss differs between two passes on the same weights"),
        ("Demanding", "the constructor of Demanding raised TypeError"),
    ],
)
def test_what_cannot_be_judged(name, error):
    """Catches a verdict on what nobody can judge, and a traceback where a line says what would help."""
    verdict = judged(name)
    assert verdict.verdict == "could-not-run"
    assert error in verdict.error


def test_a_cost_that_reads_one_output_alone():
    """Catches labels of several rows, on which no gradient is right: the mistake has no name there."""
    verdict = judge_as(one_output.backward_pass, Asked("forward"), "it")
    assert [(f.slug, f.gradient) for f in verdict.findings] == [("derivative-at-wrong-tensor", "W1")], verdict.text()


class Rounded:
    """A network that stores float32."""

    def __init__(self, n_in=4, n_out=3):
        self.W = np.random.randn(n_in, n_out).astype(np.float32)

    def loss(self, X, y):
        out = np.tanh(X.astype(np.float32) @ self.W).astype(np.float32)
        self.dW = X.T @ ((out - y) * (1 - out * out)) / len(X)
        return 0.5 * ((out - y) ** 2).sum() / len(X)


def test_a_network_that_rounds_to_float32():
    """Catches an accusation of code whose loss is too coarse for differences."""
    verdict = judge_as(Rounded, Asked("forward"), "it")
    assert verdict.verdict == "right", verdict.text()
    assert Rounded().W.dtype == np.float32


def test_a_step_that_returns_the_weight_without_a_name():
    """Catches a new weight that is taken for its gradient: right code is accused."""
    verdict = judge_as(unnamed_step.gradient_step, Asked("forward"), "it")
    assert verdict.verdict == "right", verdict.text()
