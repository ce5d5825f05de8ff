"""The Python interface: `check` a function, a class or a pair; `assert_gradient` in a test."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torchref.check.diagnosis import optimizers
from torchref.check.diagnosis.diagnose import diagnose
from torchref.check.ops.find import UnknownOp, find
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading.forms.calling import CouldNotRun, TimeOut
from torchref.check.reading.forms.recognise import look_up
from torchref.check.reference import asked
from torchref.check.reference.forward import forward_of
from torchref.check.reference.inputs import read_sizes
from torchref.check.reference.judge import judge_against
from torchref.check.reference.network.judge import is_network, judge_network
from torchref.check.reference.witness import NoWitness
from torchref.check.report.verdict import COULD_NOT_RUN, Verdict
from torchref.check.running import child
from torchref.check.running.tracebacks import last_lines
from torchref.load import load_file

NOTHING_SAID = (
    "say what it should compute: --against OP, or FILE.py:NAME=OP; --against FILE.py:FUNCTION, a function of your own; "
    "--against forward, the code's own forward"
)


@dataclass(frozen=True)
class Asked:
    """How a piece of code is to be judged."""

    against: Any  # torch's name, FILE.py:FUNCTION, "forward" or a function
    form: str | None = None
    stated: list[str] | None = None
    device: str | None = None
    inputs: Any = None  # FILE.py:FUNCTION or a function: makes the arrays of the probe
    sizes: str | None = None  # N=64,D=32

    @property
    def label(self) -> str:
        if self.against is None:
            return ""
        return asked.label(self.against) if asked.own(self.against) else str(self.against)


def check(
    function: Any,
    against: str | Callable[..., Any],
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    timeout: float = 60.0,
    device: str | None = None,
    inputs: str | Callable[..., Any] | None = None,
    sizes: str | None = None,
) -> Verdict:
    """Judge a gradient: `function` is a closure, a pair `(forward, backward)`, a class, a gradient function, an
    autograd.Function or an optimizer's step; `against` is torch's name of what it should compute, options included.

    `against` may also be a function, or its place "FILE.py:NAME": a forward of your own, in torch or in NumPy, that the
    code is judged by. `inputs` makes its arguments, `sizes` ("N=64,D=32") gives the lengths of their axes.
    `form` names the form where it cannot be recognised; `arguments` names torch's arguments in the user's order.
    The code runs in a child process, for at most `timeout` seconds. `device="cuda"` judges an autograd.Function there.
    Errors: TypeError where `against` is neither a name nor a function.
    """
    if not callable(against) and (not isinstance(against, str) or not against.strip()):
        raise TypeError(
            "check(): against must be torch's name of what is computed, such as 'relu', or a function; "
            f"found {against!r}"
        )
    name = getattr(
        function[0] if isinstance(function, tuple | list) and function else function,
        "__name__",
        type(function).__name__,
    )
    how = Asked(against, form, split(arguments), device, inputs, sizes)
    return child_verdict(lambda: judge_as(function, how, name), timeout, name, how)


def split(arguments: str | Sequence[str] | None) -> list[str] | None:
    if arguments is None:
        return None
    parts = arguments.split(",") if isinstance(arguments, str) else list(arguments)
    return [p.strip() for p in parts if p.strip()]


def child_verdict(work: Callable[[], Verdict], timeout: float, name: str, how: Asked) -> Verdict:
    verdict = child.run(work, timeout, limited=how.device != "cuda")
    verdict.name = verdict.name or name
    verdict.against = verdict.against or how.label
    return verdict


def judge_as(function: Any, how: Asked, name: str) -> Verdict:
    """The verdict in this process: against an operation, or against a function of the user's own."""
    if how.against is None and not is_network(function):
        return Verdict(COULD_NOT_RUN, name=name, error=NOTHING_SAID)
    if how.against is None:
        how = replace(how, against="forward")
    if not asked.own(how.against):
        own = [option for option, value in (("--inputs", how.inputs), ("--sizes", how.sizes)) if value]
        if own:
            error = f"{own[0]} is for a function of your own (--against FILE.py:NAME); {how.against} has a probe"
            return Verdict(COULD_NOT_RUN, name=name, against=how.label, error=error)
        return judge(function, how.against, how.form, how.stated, name, how.device)
    verdict: Verdict | None = None
    try:
        make = asked.function_of(how.inputs, "--inputs")[0] if how.inputs is not None else None
        sizes = read_sizes(how.sizes) if how.sizes is not None else None
        network = how.against in asked.FORWARD and is_network(function)
        verdict = judge_network(function, name, how.label, sizes, make) if network else None
        if verdict is not None and (verdict.verdict != COULD_NOT_RUN or inspect.isclass(function)):
            return verdict
        given: dict[str, Any] = {}
        if how.against in asked.FORWARD:
            reference = forward_of(function, how.form)
        else:
            reference, given = asked.function_of(how.against)
    except (NoWitness, CouldNotRun) as problem:
        return verdict or Verdict(COULD_NOT_RUN, name=name, against=how.label, error=str(problem))
    other = judge_against(
        function, reference, how.label, given=given, form=how.form, stated=how.stated, name=name, device=how.device,
        sizes=sizes, make=make,
    )  # fmt: skip
    return verdict if verdict is not None and other.verdict == COULD_NOT_RUN else other


def judge(
    function: Any, against: str, form: str | None, stated: list[str] | None, name: str, device: str | None = None
) -> Verdict:
    """The verdict in this process: an optimizer's step or an operation's gradient."""
    if optimizers.names(against) is not None:
        return optimizers.diagnose(function, against, stated, name)
    try:
        op = find(against)
    except UnknownOp as problem:
        return Verdict(COULD_NOT_RUN, name=name, against=against, error=str(problem))
    if form == "optimizer":
        return Verdict(
            COULD_NOT_RUN,
            name=name,
            against=against,
            error=f"{against} is no optimizer; expected one of {', '.join(OPTIMIZERS)}",
        )
    if device not in (None, "cpu", "cuda"):
        return Verdict(COULD_NOT_RUN, error=f"there is no device {device!r}; expected cpu or cuda")
    return diagnose(function, op, form, stated, name=name, device=device)


def assert_gradient(
    function: Any,
    against: str | Callable[..., Any],
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    hints: int = 3,
    timeout: float = 60.0,
) -> None:
    """Fail with the diagnosis if `function` is not right."""
    __tracebackhide__ = True
    verdict = check(function, against, form, arguments, timeout=timeout)
    if not verdict.ok:
        raise AssertionError(verdict.text(hints))


def in_file(
    path: str,
    name: str,
    against: str | None,
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    timeout: float = 60.0,
    device: str | None = None,
    inputs: str | None = None,
    sizes: str | None = None,
) -> Verdict:
    """The verdict on `name` of a user's file; the file is imported in the child process, too."""
    how = Asked(against, form, split(arguments), device, inputs, sizes)

    def work() -> Verdict:
        if not Path(path).is_file():
            return Verdict(COULD_NOT_RUN, error=f"there is no file {path}")
        try:
            module = load_file(Path(path).resolve())
        except (MemoryError, TimeOut):
            raise
        except BaseException as problem:
            return Verdict(COULD_NOT_RUN, error=f"{path} cannot be imported:\n{last_lines(problem)}")
        try:
            target = look_up(module, name)
        except CouldNotRun as problem:
            return Verdict(COULD_NOT_RUN, error=f"{path}: {problem}")
        if not inspect.ismodule(target) and not callable(target) and not isinstance(target, tuple):
            return Verdict(COULD_NOT_RUN, error=f"{path}: {name} is a {type(target).__name__}, not a function or class")
        return judge_as(target, how, name)

    for file in (path, asked.file_of(against)):
        child.share_torch(file)
    return child_verdict(work, timeout, name, how)


def in_files(
    targets: Sequence[str],
    against: str | None = None,
    form: str | None = None,
    arguments: str | None = None,
    timeout: float = 60.0,
    device: str | None = None,
    inputs: str | None = None,
    sizes: str | None = None,
) -> list[Verdict]:
    """The verdict on each `FILE.py:NAME` or `FILE.py:NAME=OP`."""
    verdicts: list[Verdict] = []
    for target in targets:
        place, equals, op = target.partition("=")
        path, colon, name = place.rpartition(":")
        wanted = op if equals else against
        if not colon or not path or not name:
            error = f"expected FILE.py:NAME or FILE.py:NAME=OP, found {target!r}"
            verdicts.append(Verdict(COULD_NOT_RUN, name=target, error=error))
        else:
            verdict = in_file(
                path, name, wanted, form, arguments, timeout=timeout, device=device, inputs=inputs, sizes=sizes
            )
            verdicts.append(verdict)
    return verdicts
