"""An engine that torch's dispatcher does not see through: its gradients against the replay of the eager run.

Where one parts, one module after the other is given to the engine alone: the deepest that parts by itself is the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import torch

from torchref.nn.module import Array
from torchref.referee.compare import Difference
from torchref.referee.engines import device_of
from torchref.referee.errors import RefereeError
from torchref.referee.globally import Globally
from torchref.referee.leaves import as_it_was
from torchref.referee.report import Judgement, Report
from torchref.referee.run import gradients_after
from torchref.referee.storage import Ref
from torchref.referee.suspects import coefficients, mistake_in
from torchref.referee.through import call_through

__all__ = ["entered", "judge_compiled", "judge_opaquely"]

Engine = Callable[[torch.nn.Module], AbstractContextManager[None]]


@contextmanager
def compiled(module: torch.nn.Module) -> Iterator[None]:
    """Within this context the module runs compiled.

    `module.compile()` would compile nothing of a class of torch.nn's own: torch skips the frames of its own files.
    """
    torch.compiler.reset()
    call_through(torch.compile(module), module)  # type: ignore[arg-type]  # it returns a module
    try:
        yield
    finally:
        module._compiled_call_impl = None


def graphs() -> int:
    """How many graphs have been compiled so far in this process."""
    from torch._dynamo.utils import counters  # here: it takes a second, which every start would pay for

    return int(counters["stats"]["unique_graphs"])


def judge_compiled(
    model: torch.nn.Module, closure: Callable[[], torch.Tensor], truth: Globally, report: Report
) -> None:
    """Enter what the compiled run's gradients are into the report. RefereeError if nothing of it was compiled."""
    before = graphs()
    judge_opaquely(model, closure, truth, report, compiled)
    if graphs() == before:
        raise RefereeError("torch.compile has compiled nothing of what the closure runs: it ran eagerly")


def judge_opaquely(
    model: torch.nn.Module, closure: Callable[[], torch.Tensor], truth: Globally, report: Report, engine: Engine
) -> None:
    """Enter what the engine's gradients are into the report. RefereeError if the run draws: the engine draws others."""
    if truth.recording.draws:
        draws = truth.recording.draws
        times = "once" if draws == 1 else f"{draws:,} times"
        raise RefereeError(f"the run draws {times} at random, and a compiled one draws otherwise")
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    theirs = run(model, closure, truth, engine, model)
    found = truth.differences(theirs)
    parted = {key for key, d in found.items() if not d.equal}
    eager_parts = report.eager is not None and bool(report.eager.parted)  # so would every module, compiled alone
    module = place(model, closure, truth, engine) if parted and not eager_parts else None
    said = {} if module is None else explained(model, closure, truth, engine, module)
    factors = coefficients(truth.recording, theirs, found)
    for key, d in found.items():
        judgement = replace(entered(names[key], truth.refs[key], d), coefficient=factors.get(key))
        if d.equal:
            report.judged.append(judgement)
        else:
            report.parted.append(replace(judgement, **said))
    report.parted.sort(key=lambda judgement: not judgement.name.startswith(f"{module}."))


def explained(
    model: torch.nn.Module, closure: Callable[[], torch.Tensor], truth: Globally, engine: Engine, module: str
) -> dict[str, Any]:
    """What is to be said of the module that parts by itself: its path, and the mistake in it, where that is known."""
    theirs = run(model, closure, truth, engine, model.get_submodule(module))
    known = mistake_in(truth.recording, module, theirs, truth.differences(theirs))
    if known is None:
        return {"module": module, "op": "the compiled module"}
    node, sentence = known
    return {"module": module, "op": "the compiled module", "source": node.place.source, "diagnosis": sentence}


def entered(name: str, ref: Ref, found: Difference) -> Judgement:
    """What was found of a parameter's gradient as a whole."""
    return Judgement(
        name,
        "parameter",
        error=found.error,
        bound=found.bound,
        shape=ref.size,
        worst=found.worst,
        judged="globally",
    )


def run(
    model: torch.nn.Module, closure: Callable[[], torch.Tensor], truth: Globally, engine: Engine, part: torch.nn.Module
) -> dict[int, Array]:
    """The parameters' gradients when `part` of the model runs on the engine."""
    parameters = [p for p in model.parameters() if id(p) in truth.recording.leaves]
    with as_it_was(model, device_of(model, "eager"), truth.recording.overwritten), engine(part):
        return gradients_after(closure(), parameters)


def place(model: torch.nn.Module, closure: Callable[[], torch.Tensor], truth: Globally, engine: Engine) -> str | None:
    """The path of the deepest module that parts when it alone runs on the engine; None if none does by itself."""
    path, part = "", model
    while True:
        for name, child in reversed(list(part.named_children())):  # from the loss back
            found = truth.differences(run(model, closure, truth, engine, child))
            if any(not d.equal for d in found.values()):
                path, part = f"{path}.{name}".lstrip("."), child
                break
        else:
            return path or None
