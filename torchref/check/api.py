"""The Python interface: `check` a function, a class or a pair; `assert_gradient` in a test."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torchref.check.diagnosis import optimizers
from torchref.check.diagnosis.diagnose import diagnose
from torchref.check.ops.find import UnknownOp, find
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.ops.probe import runs_nowhere
from torchref.check.reading.forms.beside import has_a_backward
from torchref.check.reading.forms.calling import CouldNotRun, TimeOut
from torchref.check.reading.forms.decorated import see_through
from torchref.check.reading.forms.nodes import is_of_nodes, pair_of_nodes
from torchref.check.reading.forms.recognise import is_autograd, look_up
from torchref.check.reading.forms.tensors import class_on_tensors, knows_torch, on_tensors
from torchref.check.reading.targets import Target, in_the_file, python_files
from torchref.check.reading.targets import targets as find_targets
from torchref.check.reading.unfinished import unfinished, unfinished_code
from torchref.check.reference import asked
from torchref.check.reference.forward import made_ready, other_makings, with_reference
from torchref.check.reference.inputs import Sizes, read_sizes
from torchref.check.reference.judge import judge_against
from torchref.check.reference.network.judge import (
    is_network,
    judge_engine,
    judge_network,
    judge_script,
    judge_without_loss,
)
from torchref.check.reference.network.of_engine import is_engine
from torchref.check.reference.network.of_script import ADVICE, SCRIPT, is_script
from torchref.check.reference.network.of_training import ASKED, returns_weights_alone, with_its_loss
from torchref.check.reference.network.without_loss import goes_back_from_labels
from torchref.check.reference.witness import NoWitness
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, Verdict
from torchref.check.running import child
from torchref.check.running.child import DEFAULT, Limits
from torchref.check.running.tracebacks import last_lines
from torchref.load import load_file, project_on_path

HINTS = "TORCHREF_HINTS"  # the environment's variable for the level of hints in a test
NOTHING_SAID = (
    "say what it should compute: --against OP, or FILE.py:NAME=OP; --against FILE.py:FUNCTION, a function of your own; "
    "--against forward, the code's own forward"
)


@dataclass(frozen=True)
class Asked:
    """How code is to be judged."""

    against: Any  # torch's name, FILE.py:FUNCTION, "forward" or a function
    form: str | None = None
    stated: list[str] | None = None
    device: str | None = None
    inputs: Any = None  # FILE.py:FUNCTION or a function: makes the arrays of the probe
    sizes: str | None = None  # N=64,D=32
    only: list[str] | None = None  # the gradients to judge
    strict: bool = False

    @property
    def label(self) -> str:
        if self.against is None:
            return ""
        return asked.label(self.against) if asked.own(self.against) else str(self.against)


def check(  # noqa: PLR0913 -- all after the fourth have names
    function: Any,
    against: str | Callable[..., Any],
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    timeout: float = 60.0,
    device: str | None = None,
    only: str | Sequence[str] | None = None,
    strict: bool = False,
    inputs: str | Callable[..., Any] | None = None,
    sizes: str | None = None,
) -> Verdict:
    """Judge a gradient.

    `function` is a closure, a pair `(forward, backward)`, a class, a gradient function, an autograd.Function or an
    optimizer's step. `against` is torch's name of what it should compute, with options. It may also be a forward of
    your own, in torch or in NumPy: a function, or its place "FILE.py:NAME". Then `inputs` makes its arguments, and
    `sizes` ("N=64,D=32") gives the lengths of their axes.
    `form` names the form if it is not recognised. `arguments` names torch's arguments in your order. `only` names the
    gradients to judge. With `strict` the conventions of other texts are mistakes: a halved loss, a running variance by
    n, eps elsewhere. The code runs in a child process for at most `timeout` seconds. `device="cuda"` judges an
    autograd.Function on the GPU.
    Errors: TypeError if `against` is neither a name nor a function.
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
    how = Asked(against, form, split(arguments), device, inputs, sizes, split(only), strict)
    if open_ends := unfinished_code(function):
        return Verdict(COULD_NOT_RUN, name=name, against=how.label, error=open_ends)
    return _child_verdict(lambda: judge_as(function, how, name), Limits(timeout), name, how)


def split(arguments: str | Sequence[str] | None) -> list[str] | None:
    """The names of a list, or of a text with commas between them; None if there are none to split."""
    if arguments is None:
        return None
    parts = arguments.split(",") if isinstance(arguments, str) else list(arguments)
    return [p.strip() for p in parts if p.strip()]


def _child_verdict(work: Callable[[], Verdict], limits: Limits, name: str, how: Asked) -> Verdict:
    start = time.perf_counter()
    verdict = child.run(work, limits, limited=how.device != "cuda")
    verdict.seconds = time.perf_counter() - start
    verdict.name = verdict.name or name
    verdict.against = verdict.against or how.label
    return verdict


def judge_as(function: Any, how: Asked, name: str) -> Verdict:
    """The verdict, in this process, against an operation or against a function of the user's own."""
    see_through(function)
    if is_of_nodes(function):
        function = pair_of_nodes(function)
    if how.against in (None, *asked.FORWARD) and is_engine(function):
        return judge_engine(function, name, how.label or "forward", how.only)
    if how.against in (None, *asked.FORWARD) and returns_weights_alone(function) and not is_network(function):
        function = with_its_loss(function)
        if function is None:
            return Verdict(COULD_NOT_RUN, name=name, against=how.label, error=ASKED.format(name=name))
    if how.against is None and not is_network(function) and not has_a_backward(function):
        return Verdict(COULD_NOT_RUN, name=name, error=NOTHING_SAID)
    if how.against is None and not is_network(function):
        return _judge_unnamed(function, how, name)
    if how.against is None:
        how = replace(how, against="forward")
    if not asked.own(how.against):
        own = [option for option, value in (("--inputs", how.inputs), ("--sizes", how.sizes)) if value]
        if own:
            error = f"{own[0]} is for a function of your own (--against FILE.py:NAME); {how.against} has a probe"
            return Verdict(COULD_NOT_RUN, name=name, against=how.label, error=error)
        return judge(function, how, name)
    return _judge_as_its_own(function, how, name)


def _judge_unnamed(function: Any, how: Asked, name: str) -> Verdict:
    """The verdict on code of which nothing is said: against the operation of its name, else by its own forward."""
    verdict: Verdict | None = None
    with contextlib.suppress(UnknownOp):
        if optimizers.names(name) is not None or find(name):
            verdict = judge(function, replace(how, against=name), name)
    if verdict is not None and verdict.verdict == RIGHT:
        return verdict
    if verdict is not None and verdict.verdict != COULD_NOT_RUN and not _is_another(verdict):
        return verdict
    own = _judge_as_its_own(function, replace(how, against="forward"), name)
    if own.verdict != COULD_NOT_RUN:
        own.notes.append(
            "no operation was named: it is judged by its own forward; --against OP judges the forward, too"
        )
    return own


def _is_another(verdict: Verdict) -> bool:
    """Whether a verdict says that the forward is another function."""
    return any(f.gradient == "output" for f in verdict.findings)


def _judge_as_its_own(function: Any, how: Asked, name: str) -> Verdict:
    """The verdict against a reference of the user's own: a function of a file, or the code's own forward or loss."""
    assert how.against is not None
    function = made_ready(function) if how.against in asked.FORWARD else function
    verdict: Verdict | None = None
    make, sizes = None, None
    try:
        make = asked.function_of(how.inputs, "--inputs")[0] if how.inputs is not None else None
        sizes = read_sizes(how.sizes) if how.sizes is not None else None
        network = how.against in asked.FORWARD and is_network(function)
        verdict = judge_network(function, name, how.label, sizes, make, how.only) if network else None
        if verdict is not None and verdict.verdict != COULD_NOT_RUN:
            return verdict
        if verdict is not None and inspect.isclass(function):
            return _without_loss(function, name, how, sizes, make, verdict)
        if how.against in asked.FORWARD and goes_back_from_labels(function):
            labelled = judge_without_loss(function, name, how.label, sizes, make)
            if labelled.verdict != COULD_NOT_RUN:
                return labelled
        target, reference, given = with_reference(function, how.against, how.form)
    except (NoWitness, CouldNotRun) as problem:
        nothing = verdict or Verdict(COULD_NOT_RUN, name=name, against=how.label, error=str(problem))
        return _without_loss(function, name, how, sizes, make, nothing)
    judged = functools.partial(
        judge_against, label=how.label, given=given, form=how.form, stated=how.stated, name=name, device=how.device,
        sizes=sizes, make=make, only=how.only,
    )  # fmt: skip
    first = judged(target, reference)
    others = other_makings(target, reference) if first.verdict == COULD_NOT_RUN else ()
    found = next((v for pair in others if (v := judged(*pair)).verdict != COULD_NOT_RUN), first)
    if found.verdict == COULD_NOT_RUN:
        return _without_loss(function, name, how, sizes, make, verdict or found)
    return found


def _without_loss(
    function: Any, name: str, how: Asked, sizes: Sizes | None, make: Callable[..., Any] | None, nothing: Verdict
) -> Verdict:
    """The verdict on a network that has no loss of its own; `nothing`, where it is none."""
    if how.against not in asked.FORWARD or isinstance(function, tuple | list) or is_autograd(function):
        return nothing
    verdict = judge_without_loss(function, name, how.label, sizes, make, how.only)
    return verdict if verdict.verdict != COULD_NOT_RUN else nothing


def judge(function: Any, how: Asked, name: str) -> Verdict:
    """The verdict, in this process, on an optimizer's step or an operation's gradient."""
    against: str = how.against
    if optimizers.names(against) is not None:
        strange = next((n for n in how.only or () if n != "param"), None)
        if strange is not None:
            error = f"--only names {strange!r}, but an optimizer's step is judged as a whole, as param"
            return Verdict(COULD_NOT_RUN, name=name, against=against, error=error)
        return optimizers.diagnose(function, against, name, how.strict)
    try:
        op = find(against)
    except UnknownOp as problem:
        return _judge_what_moves(function, how, name, str(problem))
    if why := runs_nowhere(op):
        return Verdict(COULD_NOT_RUN, name=name, against=against, error=why)
    if how.form == "optimizer":
        error = f"{against} is no optimizer; expected one of {', '.join(OPTIMIZERS)}"
        return Verdict(COULD_NOT_RUN, name=name, against=against, error=error)
    if how.device not in (None, "cpu", "cuda"):
        return Verdict(COULD_NOT_RUN, error=f"there is no device {how.device!r}; expected cpu or cuda")
    more: dict[str, Any] = {"name": name, "device": how.device, "only": how.only, "strict": how.strict}
    verdict = diagnose(function, op, how.form, how.stated, **more)
    if verdict.verdict == COULD_NOT_RUN and how.form is None and (tensors := _made_for_tensors(function)) is not None:
        there = diagnose(tensors, op, how.form, how.stated, **more)
        verdict = there if there.verdict != COULD_NOT_RUN else verdict
    verdict.against = op.name + against[against.find("(") :].strip() if "(" in against else op.name
    whole = verdict.verdict == COULD_NOT_RUN and op.loss and how.form is None and is_network(function)
    return _of_the_whole(function, name, how, verdict) if whole else verdict


def _judge_what_moves(function: Any, how: Asked, name: str, error: str) -> Verdict:
    """The verdict against an operation that has no formula, as reshape: by its own forward. `error` for any other."""
    if not asked.moves(how.against):
        return Verdict(COULD_NOT_RUN, name=name, against=how.against, error=error)
    own = _judge_as_its_own(function, replace(how, against="forward"), name)
    own.notes.append(f"{how.against} moves entries and computes nothing: it is judged by its own forward")
    return own


def _made_for_tensors(code: Any) -> Any:
    """Code whose file knows torch beside NumPy, handed tensors; None for an autograd.Function and any other code."""
    if not (inspect.isclass(code) or inspect.isfunction(code)) or is_autograd(code) or not knows_torch(code):
        return None
    return class_on_tensors(code) if inspect.isclass(code) else on_tensors(code)


def _of_the_whole(function: Any, name: str, how: Asked, verdict: Verdict) -> Verdict:
    """The verdict on a network whose loss was asked about, by that loss; the other where it does not run."""
    network = judge_network(function, name, how.label)
    if network.verdict == COULD_NOT_RUN:
        return verdict
    network.notes.insert(0, f"judged as a whole, by the loss that it returns, not against {how.label}")
    return network


def assert_gradient(  # noqa: PLR0913 -- all after the fourth have names
    function: Any,
    against: str | Callable[..., Any],
    form: str | None = None,
    arguments: str | Sequence[str] | None = None,
    *,
    hints: int | None = None,
    timeout: float = 60.0,
    only: str | Sequence[str] | None = None,
    strict: bool = False,
) -> None:
    """Raise AssertionError with the diagnosis if a gradient is wrong or not judged; `only` names those that count.

    `hints` says how much the diagnosis tells: 0 right or wrong, 1 which gradient, 2 what kind of mistake, 3 the
    correction. None: as the environment variable TORCHREF_HINTS says; without it 3.
    Errors: ValueError for another level.
    """
    __tracebackhide__ = True
    hints = level_of_hints(hints)
    verdict = check(function, against, form, arguments, timeout=timeout, only=only, strict=strict)
    if not verdict.ok:
        raise AssertionError(verdict.text(hints))


def level_of_hints(asked: object, name: str = "hints") -> int:
    """The level that is asked for by `name`, else by the environment, else 3. Errors: ValueError if it is none."""
    name, value = (name, asked) if asked is not None else (HINTS, os.environ.get(HINTS) or 3)
    if isinstance(value, bool) or str(value) not in ("0", "1", "2", "3"):
        raise ValueError(f"{name} must be 0, 1, 2 or 3, not {value!r}")
    return int(str(value))


def in_file(path: str, name: str, how: Asked, limits: Limits = DEFAULT) -> Verdict:
    """The verdict on `name` of a user's file. The child process imports the file."""

    def among_its_own() -> Verdict:
        with project_on_path(Path(path)):  # a function may import a module of its project when it is called
            return _judge_file(path, name, how)

    if open_ends := unfinished(path, name):
        return Verdict(COULD_NOT_RUN, name=name, against=how.label, file=path, error=open_ends)
    for file in (path, asked.file_of(how.against)):
        child.share_torch(file)
    verdict = _child_verdict(among_its_own, limits, name, how)
    verdict.file = path
    return verdict


def _judge_file(path: str, name: str, how: Asked) -> Verdict:
    """Imports the file, and judges what is called so in it."""
    if not Path(path).is_file():
        return Verdict(COULD_NOT_RUN, error=f"there is no file {path}")
    if how.against in (None, *asked.FORWARD) and is_script(path, name):
        return judge_script(path, name, how.label or "loss", how.only)
    try:
        module = load_file(Path(path).resolve())
    except (MemoryError, TimeOut):
        raise
    except BaseException as problem:  # noqa: BLE001 -- the user's file may raise anything, SystemExit included
        return Verdict(COULD_NOT_RUN, error=f"{path} cannot be imported:\n{last_lines(problem)}")
    try:
        target = look_up(module, name)
    except CouldNotRun as problem:
        return Verdict(COULD_NOT_RUN, error=f"{path}: {problem}")
    if not inspect.ismodule(target) and not callable(target) and not isinstance(target, tuple):
        return Verdict(COULD_NOT_RUN, error=f"{path}: {name} is a {type(target).__name__}, not a function or class")
    return judge_as(target, how, name)


def in_files(targets: Sequence[str], how: Asked, timeout: float = 60.0) -> list[Verdict]:
    """The verdict on each target: `FILE.py:NAME`, a file or a directory, with `=OP` or without."""
    return [
        Verdict(
            COULD_NOT_RUN,
            name=t.name,
            file=t.path,
            error=t.error,
            option=ADVICE if how.against in asked.FORWARD else "",
        )
        if t.error
        else _unless_only_the_name_fits(t, in_file(t.path, t.name, replace(how, against=t.against), Limits(timeout)))
        for word in targets
        for t in _targets_of(word, how)
    ]


def _targets_of(word: str, how: Asked) -> list[Target]:
    """What a word of the command line names; of a directory the scripts, too, each judged by its variables."""
    inside = python_files(word) if os.path.isdir(word) else [word]
    scripts = [Target(file, SCRIPT, how.against) for file in inside if _is_a_script(file, how)]
    if scripts and not os.path.isdir(word):
        return scripts
    others = find_targets([word], how.against)
    return [t for t in others if not (scripts and t.error and t.name == word)] + scripts


def _is_a_script(word: str, how: Asked) -> bool:
    """Whether a word of the command line is a file without a function that has a backward: its variables are judged."""
    asks = how.against in (None, *asked.FORWARD) and word.endswith(".py") and Path(word).is_file()
    return asks and not in_the_file(word, "") and is_script(word)


def _unless_only_the_name_fits(target: Target, verdict: Verdict) -> Verdict:
    """The verdict on a target. If only its name says what it computes, another forward is no mistake."""
    if not target.guessed or not _is_another(verdict):
        return verdict
    error = (
        f"it has the name of {target.against}, and its forward is another function: "
        f"say what it should compute, as {target.path}:{target.name}=OP"
    )
    return Verdict(COULD_NOT_RUN, against=verdict.against, name=verdict.name, file=verdict.file, error=error)
