"""A torch module as one of torchref's: its forward is recorded and replayed, its backward is the tape's."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from torchref.check.tolerance.rounding import Noisy, noisy, plain
from torchref.nn.module import Array, Backward, Module, Parameter, is_floating
from torchref.nn.random import Source, Tape
from torchref.referee.assignment import assign_entries
from torchref.referee.buffers import expected
from torchref.referee.errors import RefereeError
from torchref.referee.inside import REASON, backwards_inside
from torchref.referee.record import Recorder
from torchref.referee.recording import Recording
from torchref.referee.storage import Ref, Version
from torchref.referee.tape import Shadows, forward_of, pull_back, read, store
from torchref.twin.draws import replayed_draws
from torchref.twin.weights import to_array, to_tensor

__all__ = ["Replay"]


class Mirror(Module):
    """What a torch module holds: parameters, buffers and children under their names. It computes nothing itself."""


@dataclass(frozen=True)
class Run:
    """A recorded run: the windows of what it read (inputs, then parameters), returned, and left in the buffers."""

    recording: Recording
    reads: list[Ref]
    returns: list[Ref]
    buffers: list[Ref]
    several: bool  # whether it returned a tuple


class Replay(Module):
    """output, backward = Replay(module)(*inputs), for a torch module: what it computes, by hand, in NumPy.

    At each call the module itself runs on the same weights and inputs, and is recorded below autograd; so views, writes
    in place and Python's control flow need no care. Then the recording is replayed in float64: forward in NumPy, from
    these weights and inputs, and backward with the derivations of this library; the results are rounded to the
    parameters' dtype. What is written into a buffer is computed by hand from what that operation has read. Integers,
    comparisons, and all else that needs no gradient come from torch's run. Random draws are those of `rng`, if it is
    a Tape; else torch's own.

    Parameters and buffers have torch's names, the module's own are copied. Errors: RefereeError where an operation has
    no entry, or computes in a lower precision than the parameters have.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.rng: Source | None = None
        self.source = module
        self.pairs: list[tuple[Module, torch.nn.Module]] = []  # of a mirror, and what it mirrors
        self.mirror(module, self, {})

    def mirror(self, module: torch.nn.Module, into: Module, known: dict[int, Any]) -> None:
        """Give `into` what the torch module holds; what is used twice is one thing here, too."""
        self.pairs.append((into, module))
        into.training = module.training
        for name, parameter in module._parameters.items():
            if parameter is not None and id(parameter) not in known:
                known[id(parameter)] = Parameter(to_array(parameter), requires_grad=parameter.requires_grad)
            into.register_parameter(name, None if parameter is None else known[id(parameter)])
        for name, buffer in module._buffers.items():
            array = None if buffer is None else to_array(buffer)
            into.register_buffer(name, array, persistent=name not in module._non_persistent_buffers_set)
        for name, child in module._modules.items():
            if child is None:
                continue
            if id(child) not in known:
                known[id(child)] = Mirror()
                self.mirror(child, known[id(child)], known)
            into.add_module(name, known[id(child)])

    def forward(self, *inputs: Array) -> tuple[Any, Backward]:
        run = self.record(inputs)
        parameters = list(self.parameters())
        arrays = [*inputs, *(parameter.data for parameter in parameters)]
        rounding = Rounding() if any(isinstance(array, Noisy) for array in arrays) else None
        values: dict[Version, Array] = {}
        for ref, array in zip(run.reads, arrays, strict=True):
            store(values, ref, plain(array).astype(np.float64) if ref.storage.floating else plain(array))
        kept = {ref.version for ref in (*run.returns, *run.buffers)}
        backwards = forward_of(run.recording, rounding, values=values, kept=kept)
        self.refuse(run)  # an entry may have failed
        write_buffers(run.recording, values, rounding)
        for (into, name, _), ref in zip(self.buffers_lent(), run.buffers, strict=True):
            setattr(into, name, result(read(values, ref, None), ref, getattr(into, name).dtype))
        dtype = parameters[0].dtype if parameters else np.dtype(np.float64)
        outputs = [result(read(values, ref, rounding), ref, dtype) for ref in run.returns]

        def backward(doutput: Any) -> Any:
            shadows = Shadows()
            for ref, d in zip(run.returns, doutput if isinstance(doutput, tuple) else (doutput,), strict=True):
                if d is not None and ref.needs:
                    shadows.add(ref, plain(d))
            if pull_back(run.recording, backwards, shadows, rounding):
                self.refuse(run)
            dreads = [gradient(shadows, ref, rounding) for ref in run.reads]
            for parameter, dparameter in zip(parameters, dreads[len(inputs) :], strict=True):
                if dparameter is not None:
                    parameter.accumulate(dparameter.astype(parameter.dtype, copy=False))
            dinputs = [
                None if d is None else d.astype(array.dtype, copy=False)
                for d, array in zip(dreads, inputs, strict=False)
                if is_floating(array)
            ]
            return dinputs[0] if len(dinputs) == 1 else tuple(dinputs) or None

        return tuple(outputs) if run.several else outputs[0], backward

    def record(self, inputs: tuple[Array, ...]) -> Run:
        """torch's run on these inputs, with these parameters, buffers, modes and draws."""
        self.lend()
        recorder = Recorder(Replay.record.__code__)
        given = [to_tensor(plain(array)) for array in inputs]
        for tensor in given:
            tensor.requires_grad_(self.needs_input_grad and tensor.is_floating_point())
        reads = [recorder.ref(tensor, None) for tensor in (*given, *self.source.parameters())]
        for _, name, buffer in self.buffers_lent():
            recorder.recording.buffers[recorder.storage(buffer)] = name
        tape = replayed_draws(self.rng) if isinstance(self.rng, Tape) else nullcontext()
        inside = backwards_inside(recorder.recording.inside.setdefault)
        with torch.random.fork_rng(devices=[]), torch.enable_grad(), tape, inside, recorder:
            output = self.source(*given)
        outputs = output if isinstance(output, tuple) else (output,)
        if not all(isinstance(part, torch.Tensor) for part in outputs):
            raise RefereeError(f"the module must return a tensor or a tuple of them, not {type(output).__name__}")
        returns = [recorder.ref(part, None) for part in outputs]
        buffers = [recorder.ref(buffer, None) for _, _, buffer in self.buffers_lent()]
        run = Run(recorder.finish(outputs[0]), reads, returns, buffers, isinstance(output, tuple))
        assign_entries(run.recording)
        self.refuse(run)
        return run

    def lend(self) -> None:
        """Let the torch module hold these parameters, buffers and modes."""
        for into, module in self.pairs:
            module.training = into.training
            for name, parameter in into.own_parameters():
                module._parameters[name].data = to_tensor(plain(parameter.data))  # type: ignore[union-attr]
            for name, buffer in into.own_buffers():
                module._buffers[name].data = to_tensor(plain(buffer))  # type: ignore[union-attr]

    def buffers_lent(self) -> list[tuple[Module, str, torch.Tensor]]:
        """Each buffer's module here, its name there, and torch's."""
        return [
            (into, name, buffer)
            for into, module in self.pairs
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]

    def refuse(self, run: Run) -> None:
        """RefereeError where what was recorded cannot be replayed to the last digit, or is not judged."""
        for name, source in run.recording.inside.items():
            raise RefereeError(f"{name}{' at ' + source if source else ''}: {REASON}")
        width = max((parameter.dtype.itemsize for parameter in self.parameters()), default=0)
        for node in run.recording.nodes:
            where = f"{node.name} at {node.place.source}"
            if node.tracked and node.entry is None:
                raise RefereeError(f"{where}: {node.reason}")
            for ref in node.outputs:
                if node.tracked and ref.storage.floating and ref.dtype.itemsize < width:
                    raise RefereeError(f"{where} computes in {ref.dtype}, and the parameters have more digits")
        if any(ref.complex for ref in (*run.reads, *run.returns, *run.buffers)):
            raise RefereeError("the module has complex inputs, parameters, buffers or outputs: a twin has real ones")
        if not any(ref.needs for ref in run.returns):
            raise RefereeError("no gradient goes back from what the module returns")

    def __repr__(self) -> str:
        return f"Replay({self.source!r})"


class Rounding:
    """Lets the entries run on arrays that round at random, within a context in which these do (`rounding_noise`)."""

    def on(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stored(self, array: Array, dtype: torch.dtype) -> Array:  # noqa: ARG002 (`noise.Noise` has it)
        rounding: Array = noisy(array)
        return rounding


def write_buffers(recording: Recording, values: dict[Version, Array], rounding: Rounding | None) -> None:
    """Enter what each operation should have written into a buffer: by hand, from what it has read in the run."""

    def seen(ref: Ref) -> Array:
        return ref.given() if rounding is None else rounding.stored(ref.given(), ref.storage.dtype)

    for node, written in recording.writes:
        arrays = expected(node, seen)
        for i, ref in enumerate(written):
            if ref.storage not in recording.buffers or not ref.storage.floating:
                continue
            if isinstance(arrays, str):
                raise RefereeError(f"{node.name} at {node.place.source}: {arrays}")
            if i < len(arrays):  # else it was drawn
                store(values, ref, plain(arrays[i]))


def result(array: Array, ref: Ref, dtype: Any) -> Array:
    """A copy, in `dtype` if it is floating."""
    return array.astype(dtype) if ref.storage.floating else array.copy()


def gradient(shadows: Shadows, ref: Ref, rounding: Rounding | None) -> Array | None:
    """The gradient of what `ref` sees; None where none came."""
    if ref.storage not in shadows.flats or not ref.needs:
        return None
    seen = shadows.see(ref)
    return seen if rounding is None else noisy(seen)
