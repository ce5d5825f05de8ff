"""Judge every gradient of a torch model: replay the run by hand, and compare."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from torchref.nearest import nearest
from torchref.nn.module import Array
from torchref.referee.assignment import assign_entries
from torchref.referee.blame import blamed, off_by_a_factor, returned_by
from torchref.referee.buffers import judge_buffers
from torchref.referee.compare import Difference, difference
from torchref.referee.engines import OPAQUE, check_engine
from torchref.referee.errors import RefereeError
from torchref.referee.formulas import Returned, mistake_of_operation
from torchref.referee.globally import TRIALS, Globally, is_open
from torchref.referee.hooks import suspected
from torchref.referee.inside import REASON
from torchref.referee.local import Key, Seen, Share, dtypes_of, judge_locally
from torchref.referee.mistake import mistake
from torchref.referee.noise import Noise, underflow, unit_roundoff
from torchref.referee.opaque import judge_compiled
from torchref.referee.ranks import MeanOfRanks, judge_ranks, shares
from torchref.referee.recording import Node, Recording
from torchref.referee.report import Judgement, Report
from torchref.referee.run import refuse_nan, run_and_record

__all__ = ["Tell", "judge"]

Tell = Callable[[str], None]

NAMED = 8  # operations of torch's, the nearest to the loss, whose mistake is looked for


def silent(line: str) -> None:
    """Tell nothing."""


def judge(
    model: torch.nn.Module,
    closure: Callable[..., torch.Tensor],
    *,
    engine: str | None = None,
    trust: Sequence[str] = (),
    draws: str = "recorded",
    tell: Tell = silent,
) -> Report:
    """Whether torch's gradients of `closure()`, a scalar loss computed by `model`, are right; and if not, where.

    The run is recorded below autograd and replayed in float64 with backwards derived by hand, in two ways. Globally:
    the whole backward, from the recorded inputs; this judges every parameter's gradient. Locally: every operation is
    fed torch's own values and upstream gradients, so that an error shows only where it is made. How far a gradient may
    be off is measured by rounding at random (`noise`); there is no tolerance.

    `engine` says how the run is made (`engines.ENGINES`; None is eager). One that cannot be looked into, torch.compile
    or DDP, is compared with the replay of the eager run, which is judged besides (`report.eager`): so it is known which
    of the two is right. For "ddp" the closure takes the rank and their number, and returns the loss of that rank's
    share of the batch. The random draws are those of the run: `draws` knows only "recorded". `trust` names custom
    autograd.Functions whose backward is meant to differ from the derivative of their forward. `tell` gets a line now
    and then about how far the judgement is.

    The model's gradients and buffers are afterwards what they were. Errors: RefereeError if there is nothing to judge.
    """
    engine = engine or "eager"
    check_engine(engine)
    if draws != "recorded":
        raise RefereeError(f"draws must be 'recorded', not {draws!r}")
    check_closure(closure, engine)
    if engine not in OPAQUE:
        return judge_run(model, closure, engine, trust, tell)[1]
    runs = [judge_run(model, run, "eager", trust, tell) for run in (shares(closure) if engine == "ddp" else [closure])]
    eager = next((report for _, report in runs if report.parted), runs[0][1])
    report = replace(eager, judged=[], parted=[], not_judged=[], trusted=[], engine=engine, eager=eager)
    tell(f"{engine}: its run")
    truth = Globally(runs[0][0])
    if engine == "ddp":
        truth = mean = MeanOfRanks([Globally(recording) for recording, _ in runs])
        judge_ranks(model, closure, mean, report)
    else:
        judge_compiled(model, closure, truth, report)
    enter_inside([recording for recording, _ in runs], trust, report)
    enter_lacking(truth, names_of(model), report)
    return report


def judge_run(
    model: torch.nn.Module, closure: Callable[[], torch.Tensor], engine: str, trust: Sequence[str], tell: Tell
) -> tuple[Recording, Report]:
    """A run that is recorded, and what was found of its gradients."""
    tell("the run")
    recording, gradients = run_and_record(model, closure, engine)
    report = Report(engine=engine, draws=recording.draws, given=recording.given, operations=len(recording.nodes))
    assert recording.loss is not None
    report.loss = recording.loss.given().item()
    refuse_nan(recording)
    check_trust(recording, trust)
    assign_entries(recording, trust)
    names = names_of(model)
    tell(f"the replay of {len(recording.nodes):,} operations")
    truth = Globally(recording, given=True)
    judge_all_globally(truth, gradients, names, report)
    judge_all_locally(recording, gradients, names, report, tell)
    judge_buffers(recording, report)
    enter_inside([recording], trust, report)
    enter_lacking(truth, names, report)
    report.decomposed = sum(node.decomposed and node.entry is not None for node in recording.nodes)
    report.parted.sort(key=lambda judgement: judgement.judged != "locally")
    return recording, report


def check_closure(closure: Callable[..., torch.Tensor], engine: str) -> None:
    """RefereeError where the closure cannot be called as the engine calls it."""
    if not callable(closure):
        raise RefereeError(f"the closure must be a function, not {type(closure).__name__}")
    wanted = (0, 1) if engine == "ddp" else ()
    try:
        inspect.signature(closure).bind(*wanted)
    except TypeError as error:
        how = "closure(rank, world), the loss of a rank's share of the batch" if engine == "ddp" else "closure()"
        raise RefereeError(f"the engine {engine} calls {how}, which fails: {error}") from None
    except ValueError:  # some callables have no signature
        return


def check_trust(recording: Recording, trust: Sequence[str]) -> None:
    """RefereeError where a trusted Function is none that ran: its name is misspelt."""
    ran = {node.place.function for node in recording.nodes if node.place.function is not None}
    for name in trust:
        if name not in ran:
            raise RefereeError(f"trust: no autograd.Function {name!r} ran: {nearest(name, sorted(ran))}")


def names_of(model: torch.nn.Module) -> dict[int, str]:
    """The name of each parameter, by its id."""
    return {id(parameter): name for name, parameter in model.named_parameters()}


def place_of(node: Node) -> dict[str, Any]:
    return {"op": node.op, "module": node.module, "source": node.place.source}


def unique(nodes: list[Node]) -> list[Node]:
    """The first node of each operation, and of each custom Function that is trusted."""
    return list({node.op if node.reason == "trusted" else node.name: node for node in reversed(nodes)}.values())


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
    nodes = [node for recording in truth.recordings for node in recording.nodes if node.tracked and node.reason]
    if any(node.reason != "trusted" for node in nodes):
        for key in truth.lacking:
            name, kind = name_of(key, names)
            report.not_judged.append(Judgement(name, kind, reason="an operation without entry is above it"))
    for node in unique(nodes):
        trusted = node.reason == "trusted"  # a custom Function, not what it is made of
        judgement = Judgement(node.op if trusted else node.name, "operation", reason=node.reason, **place_of(node))
        (report.trusted if trusted else report.not_judged).append(judgement)


def enter_inside(recordings: Sequence[Recording], trust: Sequence[str], report: Report) -> None:
    """Say whose backward ran in a gradient that the closure itself took: it was recorded as it came."""
    found = {name: source for recording in recordings for name, source in recording.inside.items()}
    for name, source in found.items():
        reason = "trusted" if name in trust else REASON
        judgement = Judgement(name, "operation", op=name, source=source, reason=reason)
        (report.trusted if name in trust else report.not_judged).append(judgement)


def name_of(key: int, names: dict[int, str]) -> tuple[str, str]:
    """The name and the kind of a leaf."""
    return (names[key], "parameter") if key in names else ("a leaf of the closure's own", "input")


# --- locally ----------------------------------------------------------------------------------------------------------


def judge_all_locally(
    recording: Recording, gradients: dict[int, Array], names: dict[int, str], report: Report, tell: Tell = silent
) -> None:
    """Compare the gradient of every tensor that torch tells; trials of rounding are added while one is in doubt."""
    spreads: dict[Key, Array] = {}
    doubtful: set[Key] | None = None
    parted: list[tuple[int, Judgement]] = []
    returned: dict[int, list[Returned]] = defaultdict(list)
    for trial in range(1, TRIALS + 1):
        noise = Noise(dtypes_of(recording), trial)
        again: set[Key] = set()
        count = len(recording.nodes) if doubtful is None else len(doubtful)
        for number, (key, seen) in enumerate(judge_locally(recording, gradients, noise, doubtful)):
            if number % 100 == 0:
                tell(f"place by place, trial {trial}: {number:,} of {count:,}")
            seen.spread = np.fmax(spreads.pop(key), seen.spread) if key in spreads else seen.spread
            found = difference(seen.ours, seen.theirs, seen.spread, seen.ref.storage.dtype)
            if is_open(found, trial):
                again.add(key)
                spreads[key] = seen.spread
            elif found.equal and not is_scaled(seen):
                report.judged.append(judgement_of(key, seen, found, names))
            else:
                share, judgement = accused(key, seen, found, names)
                index = -1 if share is None else share.node.index
                parted.append((index, replace(judgement, diagnosis=suspected(key, seen, share, recording))))
                if share is not None and (index in returned or len(returned) < NAMED):
                    returned[index] += evidence(share, seen, found)
        doubtful = again
        if not doubtful:
            break
    name_mistakes(recording, parted, returned, report, tell)


def name_mistakes(
    recording: Recording,
    parted: list[tuple[int, Judgement]],
    returned: dict[int, list[Returned]],
    report: Report,
    tell: Tell,
) -> None:
    """Enter what parts, the nearest to the loss first, with the mistake where it is known."""
    said: dict[type | int, str] = {}
    for index, judgement in sorted(parted, key=lambda pair: -pair[0]):
        node = recording.nodes[index] if index >= 0 else None
        custom = None if node is None else node.place.custom
        what = custom or index
        if node is not None and what not in said:
            tell(f"the mistake in {node.op}")
            if custom is not None:
                said[what] = mistake(custom, node.place.arguments)
            else:
                said[what] = mistake_of_operation(node, returned.get(index, []))
        told = (judgement.diagnosis, said.get(what, ""))  # a hook, and a mistake if it is none
        report.parted.append(replace(judgement, diagnosis="; else ".join(filter(None, told))))


def evidence(share: Share, seen: Seen, found: Difference) -> list[Returned]:
    """What the reader has passed back; nothing where it cannot be told, or rounds too much to tell mistakes apart."""
    gradient = returned_by(share, seen)
    single = all(unit_roundoff(ref.dtype) <= unit_roundoff(torch.float32) for ref in share.node.inputs if ref.needs)
    if gradient is None or not single:
        return []
    argument = next(i for i, ref in enumerate(share.node.inputs) if ref is share.ref)
    return [Returned(argument, gradient, share.gradient, found.bound)]


def is_scaled(seen: Seen) -> bool:
    """Whether a share is off by a factor that is too small for the entries of a low precision to show."""
    dtypes = {ref.storage.dtype for share in seen.shares for ref in (seen.ref, *share.node.outputs)}
    u = max((unit_roundoff(dtype) for dtype in dtypes if dtype.is_floating_point), default=0.0)
    return u > unit_roundoff(torch.float32) and off_by_a_factor(seen, u, max(map(underflow, dtypes)))


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


def accused(key: Key, seen: Seen, found: Difference, names: dict[int, str]) -> tuple[Share | None, Judgement]:
    """What was found of a tensor whose gradient parts, and what the reader to blame has passed back to it."""
    judgement = judgement_of(key, seen, found, names)
    share, coefficient = blamed(seen, by_factor=found.equal)
    if share is None:
        return None, judgement
    feeds = f"{judgement.name}" + (f" in {judgement.module}" if judgement.module else "")
    return share, replace(judgement, coefficient=coefficient, feeds=feeds, **place_of(share.node))
