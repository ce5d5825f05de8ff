"""What the tab shows is what happened: every entry exact, every cut said, nothing else changed by recording it."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import torchref.nn
from tests.compare.record.backprop.recorded import read, same
from tests.compare.tiny import tiny
from torchref import compare
from torchref.compare.lockstep.observe import observe_numpy, observe_torch
from torchref.compare.record.backprop.axes import axes_of_flow, axes_of_weight
from torchref.compare.record.backprop.chosen import CHOSEN, chosen_steps
from torchref.compare.record.backprop.cut import (
    EXAMPLES,
    LIMIT,
    UNITS,
    kept_of_draw,
    kept_of_flow,
    kept_of_sequence,
    kept_of_weight,
)
from torchref.compare.record.backprop.source import derivation
from torchref.compare.record.kept import check_record
from torchref.compare.train import variant as variant_training

STEPS = [1, 2, 3, 4, 5, 6]  # all of `tiny`


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder, and what each step did, by (variant's number, step)."""
    out, seen = tmp_path_factory.mktemp("run"), {}
    whole = variant_training.record_backprop

    def noted(recorder, watched, lockstep, n, divergence=None):
        seen[recorder.folder.name, n] = watched
        whole(recorder, watched, lockstep, n, divergence)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_training, "record_backprop", noted)
        compare.run(tiny, out=out)
    return out / "tiny", seen


def test_every_entry_is_exact(run):
    """Catches a rounding to float32, an array that was changed before it was written, and engines that are swapped."""
    folder, seen = run
    tensors, structures = read(folder)
    assert {step for _, _, step in tensors} == set(STEPS)
    for (variant, n), step in seen.items():
        sides = (
            ("numpy", step.numpy_seen, step.numpy_gradients, step.numpy_after),
            ("torch", step.torch_seen, step.torch_gradients, step.torch_after),
        )
        for engine, flow, gradients, after in sides:
            where = f"{variant}/{engine}"
            wanted = {f"{turn}/y": y for turn, y in flow.outputs.items()}
            wanted |= {f"{turn}/dy": dy for turn, dy in flow.output_gradients.items()}
            wanted |= {f"{name}/gradient": g for name, g in gradients.items()}
            wanted |= {f"{name}/value": w for name, w in step.weights.items()}
            wanted |= {f"{name}/after": w for name, w in after.items()}
            for tag, array in wanted.items():
                found = tensors[where, tag, n]
                assert found.dtype == array.dtype, tag
                assert np.array_equal(found, array), f"step {n}, {where}: {tag}"
            assert np.array_equal(tensors[where, "0/x", n], step.x)
        said = structures[f"{variant}/numpy", n]
        assert said["loss"]["numpy"] == step.numpy_loss
        assert said["loss"]["torch"] == step.torch_loss


def test_weights_are_those_before_the_step(run):
    """Catches weights that were read after the update: those after a step are those before the next."""
    tensors, _ = read(run[0])
    for n in STEPS[1:]:
        assert np.array_equal(
            tensors["plain/numpy", "0.weight/value", n], tensors["plain/torch", "0.weight/after", n - 1]
        )
    assert not np.array_equal(tensors["plain/numpy", "0.weight/value", 2], tensors["plain/numpy", "0.weight/after", 2])


def test_a_weights_gradient_is_the_sum_of_what_is_recorded(run):
    """Catches an input that belongs to another layer, and a gradient of another step."""
    tensors, structures = read(run[0])
    for (where, n), said in structures.items():
        for layer in said["layers"]:
            if layer["kind"] == "Linear":
                x, dy = tensors[where, layer["x"], n], tensors[where, layer["dy"], n]
                dweight = tensors[where, layer["parameters"]["weight"]["gradient"], n]
                assert np.allclose(dweight, dy.T @ x, rtol=1e-12, atol=1e-15), f"{where}, step {n}: {layer['turn']}"


def test_layers_stand_in_their_order_with_their_parts(run):
    """Catches layers in alphabetical order, a role by index, and axes without names."""
    _, structures = read(run[0])
    layers = structures["dropout/numpy", 1]["layers"]
    assert [layer["kind"] for layer in layers] == ["Linear", "BatchNorm1d", "ReLU", "Dropout", "Linear"]
    assert [layer["place"] for layer in layers] == [*["hidden 1"] * 4, "output"]
    stages = ["weighted sum", "after normalisation", "after the activation", "after dropout", "weighted sum"]
    assert [layer["stage"] for layer in layers] == stages
    assert all(after["x"] == before["y"] for before, after in pairwise(layers))
    said = structures["dropout/numpy", 1]["tensors"]
    assert said["0.weight/gradient"]["axes"] == ["output unit", "input"]
    assert said["1/y"]["axes"] == ["example", "unit"]
    assert said["0.weight/gradient"]["difference"] <= said["0.weight/gradient"]["bound"]


def test_recording_changes_nothing_else(run, tmp_path, monkeypatch):
    """Catches a draw, a weight or a figure that is another one because a step was recorded."""
    monkeypatch.setattr(variant_training, "chosen_steps", lambda steps: frozenset())
    compare.run(tiny, out=tmp_path)
    for variant in tiny.variants:
        lines = [(folder / variant / "metrics.jsonl").read_text() for folder in (run[0], tmp_path / "tiny")]
        assert lines[0] == lines[1], variant
    tensors, structures = read(tmp_path / "tiny")
    assert not tensors
    assert not structures


def test_a_resumed_run_has_every_step_once(run, tmp_path):
    """Catches steps that are lost, doubled or other ones where a run continues, and a record that no longer checks."""

    class Stop(Exception):
        pass

    def stop(variant, step, steps, index, count):
        if (index, step) == (1, 4):
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_training, "CHECKPOINT_SECONDS", -1.0)
        with pytest.raises(Stop):
            compare.run(tiny, out=tmp_path, on_progress=stop)
    compare.run(tiny, out=tmp_path, resume=True)
    assert same(read(tmp_path / "tiny")[0], read(run[0])[0])
    for variant in tiny.variants:
        folder = tmp_path / "tiny" / variant
        state = json.loads(next(folder.glob("checkpoint/**/*.json")).read_text())
        kept = state.get("state", state).get("finished")
        if kept is not None:
            check_record(folder, kept, finished=True)


def test_a_divergence_is_recorded_with_its_step(tmp_path):
    """Catches a mismatch whose step is not there to be looked at, or is another step."""
    report = compare.run(tiny, out=tmp_path, sabotage="4", only="plain")
    tensors, structures = read(tmp_path / "tiny")
    (found,) = [said["divergence"] for said in structures.values() if "divergence" in said]
    divergence = report.variants[0].divergence
    assert found["tensor"] == divergence.tensor
    assert found["equal_before"] == divergence.equal_before
    n = divergence.step + 1
    ours, theirs = (tensors[f"plain/{engine}", "4.weight/gradient", n] for engine in ("numpy", "torch"))
    assert np.allclose(ours, 1.01 * theirs, rtol=1e-12)


class Twice:
    """A layer that runs twice in one forward."""

    @staticmethod
    def numpy():
        class Net(torchref.nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.tanh = torchref.nn.Linear(3, 3), torchref.nn.Tanh()

            def forward(self, x):
                h, first_backward = self.a(x)
                t, tanh_backward = self.tanh(h)
                y, second_backward = self.a(t)

                def backward(dy):
                    return first_backward(tanh_backward(second_backward(dy)))

                return y, backward

        return Net()

    @staticmethod
    def torch():
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.tanh = torch.nn.Linear(3, 3), torch.nn.Tanh()

            def forward(self, x):
                return self.a(self.tanh(self.a(x)))

        return Net()


def test_a_gradient_stands_under_the_turn_of_its_forward():
    """Catches the gradients of a layer that runs twice under each other's turns: the backward runs the other way."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    ours, theirs = Twice.numpy().to(np.float64), Twice.torch().double()
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in ours.state_dict().items()})
    with observe_numpy(ours) as seen:
        ours(x)[1](dy)
    with observe_torch(theirs) as seen_by_torch:
        theirs(torch.from_numpy(x)).backward(torch.from_numpy(dy))
    for each in (seen, seen_by_torch):
        terms = [each.output_gradients[turn].T @ each.inputs[turn] for turn in ("a", "a (2)")]
        assert np.allclose(sum(terms), ours.a.weight.grad, rtol=1e-12)


def test_torch_is_seen_where_a_layer_works_in_place():
    """Catches a gradient that a hook misses, or that in-place work changes."""
    x, dy = (
        torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
        torch.ones(4, 2).double(),
    )
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.ReLU(inplace=True), torch.nn.Linear(5, 2)).double()
    with observe_torch(model) as seen:
        model(x).backward(dy)
    assert np.allclose(seen.output_gradients["0"].T @ x.numpy(), model[0].weight.grad.numpy(), rtol=1e-12)


def test_chosen_steps():
    """Catches steps beyond the end, a first or last one that is left out, and more than a run can afford."""
    for steps in (1, 2, 6, 450, 100_000):
        chosen = chosen_steps(steps)
        assert {1, steps} <= chosen <= set(range(1, steps + 1))
        assert len(chosen) <= CHOSEN
    assert chosen_steps(0) == frozenset()


@pytest.mark.parametrize("shape", [(64, 256), (300, 10), (64, 16, 28, 28), (32, 64, 24), (7,), (500, 3, 64, 64)])
def test_a_cut_keeps_what_a_sum_needs(shape):
    """Catches a tensor too large for a record, and a cut of examples where one of units suffices."""
    kept = kept_of_flow(shape, 1 if len(shape) > 1 else 0)
    assert np.prod(kept) <= LIMIT
    assert all(0 < k <= min(size, EXAMPLES) for k, size in zip(kept, shape, strict=True))
    if np.prod(shape[2:]) * 2 * min(shape[0], EXAMPLES) <= LIMIT and len(shape) > 1:
        assert kept[0] == min(shape[0], EXAMPLES)
    weight = kept_of_weight(shape)
    assert np.prod(weight) <= LIMIT
    assert max(weight) <= UNITS


def test_a_cut_of_a_sequence_keeps_its_times():
    """Catches an example without its last times, or some of its units: nothing before them could be computed."""
    assert kept_of_sequence((32, 64, 24), 0) == (4, 64, 24)
    assert kept_of_sequence((64, 32, 24), 1) == (64, 4, 24)
    assert np.prod(kept_of_sequence((8, 5_000, 300), 0)) <= LIMIT
    assert kept_of_weight((96, 24), whole=True) == (96, 24)


def test_a_cut_of_a_draw_keeps_whole_examples():
    """Catches a draw without the last keys of an example: what dropout did to it could not be told."""
    assert kept_of_draw((64, 9, 9), 0, 810) == (10, 9, 9)
    assert kept_of_draw((9, 64, 9), 1, 810) == (9, 10, 9)
    assert kept_of_draw((2, 99, 99), 0, 810) == (1, 99, 99)
    assert kept_of_draw((4, 2, 9, 9), 0, 10_000) == (4, 2, 9, 9)


def test_what_a_layer_draws_is_noted():
    """Catches the draws of another layer, or of another run of the same, which would drop other weights."""
    tape = torchref.nn.random.Tape([np.ones((2, 5)), np.zeros((2, 5)), np.eye(2, 5)])
    dropout = torchref.nn.Dropout(0.5)
    model = torchref.nn.Sequential(dropout, torchref.nn.ReLU(), dropout)
    torchref.nn.random.set_rng(model, tape)
    with observe_numpy(model) as seen:
        model(np.ones((2, 5)))
    drawn = {turn: given["draw 0"] for turn, given in seen.further_inputs.items() if "draw 0" in given}
    assert {turn: array.sum() for turn, array in drawn.items()} == {"0": 10, "0 (2)": 0}


def test_attention_is_one_layer():
    """Catches an attention that no picture shows: it has a child, which it never calls."""
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, 2, 5, 4))
    ours = torchref.nn.MultiheadAttention(4, 2).to(np.float64)
    theirs = torch.nn.MultiheadAttention(4, 2).double()
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in ours.state_dict().items()})
    with observe_numpy(ours) as seen:
        ours(x, x, x)[1]((dy, None))
    with observe_torch(theirs) as seen_by_torch:
        theirs(*[torch.from_numpy(x)] * 3)[0].backward(torch.from_numpy(dy))
    assert list(seen.outputs) == list(seen_by_torch.outputs) == [""]
    assert np.allclose(seen.outputs[""], seen_by_torch.outputs[""], rtol=1e-12)
    assert np.array_equal(seen_by_torch.output_gradients[""], dy)


def test_axes():
    """Catches names that do not fit the number of axes."""
    for kind in ("Linear", "Conv2d", "LSTM", "Unknown"):
        for rank in range(6):
            assert len(axes_of_flow(kind, False, rank, ())) == rank
            assert len(axes_of_weight(kind, "weight_hh_l0", rank)) == rank
    assert axes_of_flow("LSTM", False, 3, ("time", "example")) == ("time", "example", "unit")


@pytest.mark.parametrize(
    "kind", ["Linear", "Conv2d", "BatchNorm1d", "ReLU", "LayerNorm", "Embedding", "CrossEntropyLoss"]
)
def test_a_derivation_names_the_line_that_computes(kind):
    """Catches a line number that is another line's, and a docstring without its formula."""
    found = derivation(getattr(torchref.nn, kind))
    assert "dL/d" in found["formula"] or "dx" in found["formula"]
    lines = (Path(torchref.__file__).parents[1] / found["file"]).read_text().splitlines()
    assert found["lines"]
    for number, text in found["lines"]:
        assert lines[number - 1].strip() == text


def test_a_float32_run_is_recorded(tmp_path):
    """Catches a dtype that the record or the tab does not know."""
    compare.run(replace(tiny, dtype="float32", epochs=1, variants={"plain": {"p": 0.0}}), out=tmp_path)
    tensors, _ = read(tmp_path / "tiny")
    assert tensors["plain/numpy", "0/y", 1].dtype == np.float32


def test_a_step_that_overflows_is_recorded(tmp_path):
    """Catches nan and inf in the structure, which JSON refuses: the run would end in a traceback."""
    wild = replace(
        tiny,
        variants={"plain": {"p": 0.0}},
        optimizer=lambda optim, parameters: optim.SGD(parameters, lr=1e200),
    )
    report = compare.run(wild, out=tmp_path)
    assert report.variants[0].not_finite_step is not None
    with np.errstate(over="ignore"):  # TensorBoard's reader makes float32 of the histograms
        _, structures = read(tmp_path / "tiny")
    last = structures[max(structures)]
    assert {"inf", "nan"} & {said["numpy"]["norm"] for said in last["tensors"].values() if "numpy" in said}
