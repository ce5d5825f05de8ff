"""Judge every gradient of a torch model: replay the run by hand, and compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from torchref.nn.module import Array
from torchref.referee.assignment import assign_entries
from torchref.referee.blame import blamed, off_by_a_factor
from torchref.referee.buffers import judge_buffers
from torchref.referee.compare import Difference, difference
from torchref.referee.engines import OPAQUE, casting, check_engine, converted
from torchref.referee.errors import RefereeError
from torchref.referee.globally import TRIALS, Globally, is_open
from torchref.referee.leaves import as_it_was, gradient_of
from torchref.referee.local import Key, Seen, dtypes_of, judge_locally
from torchref.referee.noise import Noise, unit_roundoff
from torchref.referee.opaque import compiled, judge_opaquely
from torchref.referee.record import Node, Recorder, Recording
from torchref.referee.report import Judgement, Report

__all__ = ["judge", "run_and_record"]


def judge(
    model: torch.nn.Module,
    closure: Callable[[], torch.Tensor],
    *,
    engine: str | None = None,
    trust: Sequence[str] = (),
    draws: str = "recorded",
) -> Report:
    """Whether torch's gradients of `closure()`, a scalar loss computed by `model`, are right; and if not, where.

    The run is recorded below autograd and replayed in float64 with backwards derived by hand, in two ways. Globally:
    the whole backward, from the recorded inputs; this judges every parameter's gradient. Locally: every operation is
    fed torch's own values and upstream gradients, so that an error shows only where it is made. How far a gradient may
    be off is measured by rounding at random (`noise`); there is no tolerance.

    `engine` says how the run is made (`engines.ENGINES`; None is eager). The random draws are those of the run:
    `draws` knows only "recorded". `trust` names custom autograd.Functions whose backward is meant to differ from the
    derivative of their forward.

    The model's gradients and buffers are afterwards what they were. Errors: RefereeError if there is nothing to judge.
    """
    engine = engine or "eager"
    check_engine(engine)
    if draws != "recorded":
        raise RefereeError(f"draws must be 'recorded', not {draws!r}")
    recording, gradients = run_and_record(model, closure, "eager" if engine in OPAQUE else engine)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    report = Report(engine=engine, draws=recording.draws, given=recording.given, operations=len(recording.nodes))
    assert recording.loss is not None
    report.loss = float(recording.loss.given())
    refuse_nan(recording)
    assign_entries(recording, trust)
    truth = Globally(recording, given=engine not in OPAQUE)
    if engine in OPAQUE:
        judge_opaquely(model, closure, truth, report, compiled)
    else:
        judge_all_globally(truth, gradients, names, report)
        judge_all_locally(recording, gradients, names, report)
        judge_buffers(recording, report)
    enter_lacking(truth, names, report)
    report.decomposed = sum(node.decomposed and node.entry is not None for node in recording.nodes)
    report.parted.sort(key=lambda judgement: judgement.judged != "locally")
    return report


def place_of(node: Node) -> dict[str, Any]:
    return {"op": node.op, "module": node.module, "source": node.place.source}


def unique(nodes: list[Node]) -> list[Node]:
    """The first node of each operation."""
    return list({node.name: node for node in reversed(nodes)}.values())


# --- the run ----------------------------------------------------------------------------------------------------------


def run_and_record(
    model: torch.nn.Module, closure: Callable[[], torch.Tensor], engine: str = "eager"
) -> tuple[Recording, dict[int, Array]]:
    """The recording of `closure()`, and torch's gradient of each leaf, after its backward."""
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RefereeError("no parameter of the model needs a gradient")
    recorder = Recorder(run_and_record.__code__)
    with as_it_was(model), converted(model, engine):
        with casting(engine), recorder.watching(model), recorder:
            loss = closure()
        check_loss(loss)
        recording = recorder.finish(loss, model.buffers())
        if not recording.nodes:
            raise RefereeError("the closure ran no operation through which a gradient passes")
        if not {id(p) for p in model.parameters()} & set(recording.leaves):
            raise RefereeError("the closure ran no operation on a parameter of the model")
        kept = {key: leaf.grad for key, (leaf, _) in recording.leaves.items()}
        try:
            for leaf, _ in recording.leaves.values():
                leaf.grad = None
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            gradients = {key: gradient_of(leaf) for key, (leaf, _) in recording.leaves.items()}
        finally:
            for key, (leaf, _) in recording.leaves.items():
                leaf.grad = kept[key]
    return recording, gradients


def check_loss(loss: Any) -> None:
    if not isinstance(loss, torch.Tensor):
        raise RefereeError(f"the closure must return the loss, a tensor, not {type(loss).__name__}")
    if loss.numel() != 1:
        raise RefereeError(f"the loss must be a scalar, but its shape is {tuple(loss.shape)}")
    if not loss.requires_grad:
        raise RefereeError("the loss needs no gradient: nothing that it was computed from does, or it was detached")


def refuse_nan(recording: Recording) -> None:
    """RefereeError if the loss is not a number, with the first operation that made one."""
    assert recording.loss is not None
    if np.isfinite(recording.loss.given()).all():
        return
    for node in recording.nodes:
        if any(ref.storage.floating and np.isnan(ref.given()).any() for ref in node.outputs):
            where = f" in {node.module}" if node.module else ""
            raise RefereeError(f"nan in the forward: first from {node.op}{where} at {node.place.source}")
    raise RefereeError(f"the loss is {float(recording.loss.given())}: there is no gradient to judge")


# --- globally ---------------------------------------------------------------------------------------------------------


def judge_all_globally(truth: Globally, gradients: dict[int, Array], names: dict[int, str], report: Report) -> None:
    """Compare every leaf's gradient with that of the whole replay."""
    for key, found in truth.differences(gradients).items():
        name, kind = name_of(key, names)
        judgement = Judgement(
            name,
            kind,
            error=found.error,
            bound=found.bound,
            shape=truth.refs[key].size,
            worst=found.worst,
            judged="globally",
        )
        (report.judged if found.equal else report.parted).append(judgement)


def enter_lacking(truth: Globally, names: dict[int, str], report: Report) -> None:
    """Say which operations were not judged, and which leaves therefore were not. What lacks only what is trusted is
    judged locally."""
    nodes = [node for node in truth.recording.nodes if node.tracked and node.reason]
    if any(node.reason != "trusted" for node in nodes):
        for key in truth.lacking:
            name, kind = name_of(key, names)
            report.not_judged.append(Judgement(name, kind, reason="an operation without entry is above it"))
    for node in unique(nodes):
        judgement = Judgement(node.name, "operation", reason=node.reason, **place_of(node))
        (report.trusted if node.reason == "trusted" else report.not_judged).append(judgement)


def name_of(key: int, names: dict[int, str]) -> tuple[str, str]:
    """The name and the kind of a leaf."""
    return (names[key], "parameter") if key in names else ("a leaf of the closure's own", "input")


# --- locally ----------------------------------------------------------------------------------------------------------


def judge_all_locally(recording: Recording, gradients: dict[int, Array], names: dict[int, str], report: Report) -> None:
    """Compare the gradient of every tensor that torch tells; trials of rounding are added while one is in doubt."""
    spreads: dict[Key, Array] = {}
    doubtful: set[Key] | None = None
    parted: list[tuple[int, Judgement]] = []
    for trial in range(1, TRIALS + 1):
        noise = Noise(dtypes_of(recording), trial)
        again: set[Key] = set()
        for key, seen in judge_locally(recording, gradients, noise, doubtful):
            seen.spread = np.fmax(spreads.pop(key), seen.spread) if key in spreads else seen.spread
            found = difference(seen.ours, seen.theirs, seen.spread, unit_roundoff(seen.ref.storage.dtype))
            if is_open(found, trial):
                again.add(key)
                spreads[key] = seen.spread
            elif found.equal and not is_scaled(seen):
                report.judged.append(judgement_of(key, seen, found, names))
            else:
                parted.append(accused(key, seen, found, names))
        doubtful = again
        if not doubtful:
            break
    report.parted += [judgement for _, judgement in sorted(parted, key=lambda pair: -pair[0])]


def is_scaled(seen: Seen) -> bool:
    """Whether a share is off by a factor that is too small for the entries of a low precision to show."""
    dtypes = {ref.storage.dtype for share in seen.shares for ref in (seen.ref, *share.node.outputs)}
    u = max((unit_roundoff(dtype) for dtype in dtypes if dtype.is_floating_point), default=0.0)
    return u > unit_roundoff(torch.float32) and off_by_a_factor(seen, u)


def judgement_of(key: Key, seen: Seen, found: Difference, names: dict[int, str]) -> Judgement:
    """What was found of a tensor whose gradient is equal."""
    if seen.maker is None:
        name, kind = name_of(key[1], names)
        return Judgement(name, kind, error=found.error, bound=found.bound, shape=seen.ref.size, worst=found.worst)
    return Judgement(
        f"the output of {seen.maker.op}",
        "intermediate",
        error=found.error,
        bound=found.bound,
        shape=seen.ref.size,
        worst=found.worst,
        **place_of(seen.maker),
    )


def accused(key: Key, seen: Seen, found: Difference, names: dict[int, str]) -> tuple[int, Judgement]:
    """What was found of a tensor whose gradient parts: with the reader to blame, and its place in the run."""
    judgement = judgement_of(key, seen, found, names)
    share, coefficient = blamed(seen, by_factor=found.equal)
    if share is None:
        return -1, judgement
    index = share.node.index
    feeds = f"{judgement.name}" + (f" in {judgement.module}" if judgement.module else "")
    return index, replace(judgement, coefficient=coefficient, feeds=feeds, **place_of(share.node))
