"""A network, its loss and its optimizer, in NumPy and in torch, with the same methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

import torchref
from torchref.compare.comparison import Comparison
from torchref.compare.errors import UserError
from torchref.compare.faults import definition
from torchref.nn.module import Array
from torchref.nn.random import Tape, set_rng
from torchref.referee import Replay
from torchref.twin.draws import record_draws
from torchref.twin.weights import to_array, to_tensor

__all__ = [
    "NumpyTwin",
    "TorchTwin",
    "check_same_names",
    "joinable",
    "joined",
    "named_outputs",
    "numpy_model",
    "outputs_of",
    "parts",
    "put_back",
    "takes_draws",
]


def outputs_of(output: Any) -> tuple[Any, ...]:
    """A network's outputs, one or several."""
    return output if isinstance(output, tuple) else (output,)


def named_outputs(output: Any) -> dict[str, Any]:
    """A network's outputs by name: the only one's is empty, several are numbered."""
    return {str(i): part for i, part in enumerate(output)} if isinstance(output, tuple) else {"": output}


def parts(examples: int, accumulate: int) -> list[slice]:
    """Where the parts of a batch lie: `accumulate` of them, or fewer.

    None is of a single example, unless the batch is: batch norm cannot normalise a batch of one.
    """
    count = max(1, min(accumulate, examples // 2))
    ends = [round(i * examples / count) for i in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(ends)]


def joinable(output: Any, examples: int) -> bool:
    """Whether each of the outputs counts the examples along its first axis, so that `joined` can join it."""
    return all(part.ndim > 0 and len(part) == examples for part in outputs_of(output))


def joined(outputs: Sequence[Any], concatenate: Any) -> Any:
    """The outputs for the parts of a batch as those for the whole."""
    if len(outputs) == 1:
        return outputs[0]
    if isinstance(outputs[0], tuple):
        return tuple(concatenate(same) for same in zip(*outputs, strict=True))
    return concatenate(outputs)


def split(doutputs: tuple[Any, ...], outputs: Sequence[Any]) -> list[tuple[Any, ...]]:
    """`joined` undone, for the gradients of the joined outputs: those of each part's outputs."""
    if len(outputs) == 1:
        return [doutputs]
    by_output = []
    for number, doutput in enumerate(doutputs):
        ends = np.cumsum([len(outputs_of(output)[number]) for output in outputs])[:-1]
        by_output.append([None] * len(outputs) if doutput is None else np.split(doutput, ends))
    return list(zip(*by_output, strict=True))


def begin_training(module: Any, base: Any) -> None:
    """Call `train()` where a user's class has one of its own, as training loops do: it may keep a layer frozen.

    It is not called elsewhere: a layer that the network was built with in evaluation mode stays there.
    """
    if getattr(module.train, "__func__", None) is not base.train:
        module.train()
        return
    for child in module.children():
        begin_training(child, base)


def numpy_model(comparison: Comparison) -> Callable[..., Any]:
    """`model`; where there is none, a function that returns the replay of `torch_model`."""
    if comparison.model is not None:
        return comparison.model
    torch_model = comparison.defining

    def replay(_nn: Any, **options: Any) -> Replay:
        module = torch_model(torch.nn, **options)
        begin_training(module, torch.nn.Module)
        return Replay(module)

    return replay


def read_only(array: Array) -> Array:
    """A view that cannot be written: a network that changes its input fails at the line that does."""
    view = np.asanyarray(array).view()  # a NumPy scalar, as np.mean returns one, has no flag to set
    view.flags.writeable = False
    return view


class NumpyTwin:
    """The network in NumPy. `seconds` adds up what its training steps have taken."""

    def __init__(self, comparison: Comparison, options: Mapping[str, Any], dtype: np.dtype) -> None:
        self.model = numpy_model(comparison)(torchref.nn, **options).to(dtype).skip_input_grad()
        begin_training(self.model, torchref.nn.Module)
        self.criterion = comparison.loss(torchref.nn).to(dtype)
        optim: Any = torchref.optim
        self.optimizer = comparison.optimizer(optim, self.model.parameters())
        for group in self.optimizer.param_groups:
            group.update(comparison.optimizer_options)
        self.scheduler = comparison.scheduler(optim.lr_scheduler, self.optimizer) if comparison.scheduler else None
        self.accumulate, self.max_norm = comparison.accumulate, comparison.max_norm
        self.parameters = dict(self.model.named_parameters())
        self.buffers = [  # full name, the module that holds it, its name there, its dtype
            (f"{path}.{name}".lstrip("."), module, name, buffer.dtype)
            for path, module in self.model.named_modules()
            for name, buffer in module.own_buffers()
        ]
        self.seconds = 0.0

    def gradients(self, x: Array, target: Array, tape: Tape) -> tuple[Any, Array]:
        """Forward and backward on one batch, with the draws of `tape`: output and loss; gradients in the parameters.

        The parts of a batch go through the network one by one, and their gradients add up. The loss sees the outputs
        of all parts at once: whatever it divides by, it is the whole batch's.
        """
        if tape.draws:
            tape.position = 0
            set_rng(self.model, tape)
        x = read_only(x)
        started = time.perf_counter()
        self.model.zero_grad()
        outputs, backwards = zip(*(self.model(x[part]) for part in parts(len(x), self.accumulate)), strict=True)
        output = joined(outputs, np.concatenate)
        loss, loss_backward = self.loss(output, target)
        # The loss's gradients: those of the outputs, then that of a floating-point target.
        doutputs = outputs_of(loss_backward())[: len(outputs_of(output))]
        for backward, doutput in reversed(list(zip(backwards, split(doutputs, outputs), strict=True))):  # torch's order
            backward(doutput if isinstance(output, tuple) else doutput[0])
        self.seconds += time.perf_counter() - started
        return output, np.asanyarray(loss)

    def loss(self, output: Any, target: Array) -> tuple[Array, Any]:
        """The loss, and its backward."""
        loss, backward = self.criterion(*map(read_only, outputs_of(output)), read_only(target))
        return loss, backward

    def step(self) -> None:
        """Clip the gradients and take the optimizer's step."""
        started = time.perf_counter()
        if self.max_norm is not None:
            torchref.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.max_norm)
        self.optimizer.step()
        self.seconds += time.perf_counter() - started

    def predict(self, x: Array) -> Any:
        """The output in evaluation mode."""
        return self.model.predict(read_only(x))

    def evaluate(self, x: Array, target: Array) -> tuple[Any, float]:
        """Output and loss in evaluation mode."""
        output = self.predict(x)
        return output, self.loss_of(output, target)

    def loss_of(self, output: Any, target: Array) -> float:
        """The loss of an output that is there already."""
        return float(self.loss(output, target)[0])

    def named_gradients(self) -> dict[str, Array | None]:
        """Name -> gradient of each parameter; None where there is none."""
        return {name: parameter.grad for name, parameter in self.parameters.items()}

    def named_weights(self) -> dict[str, Array]:
        """Name -> value of each parameter."""
        return {name: parameter.data for name, parameter in self.parameters.items()}

    def named_buffers(self) -> dict[str, Array]:
        """Name -> value of each buffer."""
        return {name: getattr(module, attribute) for name, module, attribute, _ in self.buffers}


class TorchTwin:
    """The network in stock torch: nothing patched, no hook that changes a value."""

    def __init__(
        self, comparison: Comparison, options: Mapping[str, Any], dtype: np.dtype, device: torch.device
    ) -> None:
        torch.manual_seed(comparison.seed)
        model = comparison.defining_torch
        self.device = device
        self.model = model(torch.nn, **options).to(device=device, dtype=getattr(torch, dtype.name))
        begin_training(self.model, torch.nn.Module)
        self.criterion = (comparison.torch_loss or comparison.loss)(torch.nn).to(
            device=device, dtype=getattr(torch, dtype.name)
        )
        self.optimizer = comparison.optimizer(torch.optim, self.model.parameters())
        for group in self.optimizer.param_groups:  # the loop is the definition; fused kernels round otherwise
            group.update(comparison.optimizer_options)
            group.update({key: False for key in ("foreach", "fused") if key in group})
        self.scheduler = (
            comparison.scheduler(torch.optim.lr_scheduler, self.optimizer) if comparison.scheduler else None
        )
        self.accumulate, self.max_norm = comparison.accumulate, comparison.max_norm
        self.parameters = dict(self.model.named_parameters())
        self.buffers = dict(self.model.named_buffers())
        self.draws = any(takes_draws(module) for module in self.model.modules())
        self.watched = self.draws
        self.seconds = 0.0
        self.network: torch.nn.Module = self.model  # what a forward goes through: the model, or DDP around it
        self.parallel: torch.nn.Module | None = None
        self.own: dict[str, Array] = {}  # under DDP, the gradients before they were averaged over the ranks

    def distribute(self, unused: bool) -> None:
        """Wrap the model in DistributedDataParallel; with `unused` a step need not use every parameter.

        What a parameter's hook sees is this rank's own gradient: DDP averages it afterwards. The hook changes nothing.
        """
        self.parallel = torch.nn.parallel.DistributedDataParallel(self.model, find_unused_parameters=unused)

        def watch(name: str, parameter: torch.nn.Parameter) -> None:
            def keep(gradient: torch.Tensor) -> None:
                self.own[name] = to_array(gradient)

            parameter.register_hook(keep)  # type: ignore[no-untyped-call]  # torch's

        for name, parameter in self.parameters.items():
            if parameter.requires_grad:
                watch(name, parameter)

    def train_on(self, x: Array, target: Array) -> tuple[Any, Array, Tape]:
        """`gradients` as the training has them: under DDP those in the parameters are the mean over the ranks.

        `gradients` itself, called to look at the step again, leaves this rank's own, and asks no other rank.
        """
        self.network, self.own = self.parallel or self.model, {}
        try:
            return self.gradients(x, target)
        finally:
            self.network = self.model

    def gradients(self, x: Array, target: Array) -> tuple[Any, Array, Tape]:
        """Forward and backward on one batch: output, loss and the random draws; gradients in the parameters.

        The parts of a batch go through the network one by one, and autograd adds their gradients up. The loss sees the
        outputs of all parts at once: whatever it divides by, it is the whole batch's.
        """
        inputs, targets = to_tensor(x, self.device), to_tensor(target, self.device)
        tape = Tape([])
        started = self.clock()
        self.optimizer.zero_grad()
        outputs = [self.forward(inputs[part], tape) for part in parts(len(x), self.accumulate)]
        output = joined(outputs, torch.cat)
        loss = self.criterion(*outputs_of(output), targets)
        loss.backward()
        self.seconds += self.clock() - started
        return as_arrays(output), to_array(loss), tape

    def forward(self, x: torch.Tensor, tape: Tape) -> Any:
        """The output; what is drawn at random goes onto `tape`.

        Watching for draws costs as much as a small network's forward, for a recurrence twice that. So a network that
        may draw, and did not, is no longer watched; should the generator tell that it has, it runs again, watched.
        """
        if self.watched:
            with record_draws() as drawn:
                output = self.network(x)
            tape.draws += drawn.draws
            self.watched = bool(drawn.draws) or self.device.type == "cuda"  # which has generators of its own
            return output
        if not self.draws:
            return self.network(x)
        generator, buffers = torch.get_rng_state(), {name: b.clone() for name, b in self.buffers.items()}
        output = self.network(x)
        if torch.equal(generator, torch.get_rng_state()):
            return output
        torch.set_rng_state(generator)
        for name, buffer in self.buffers.items():
            buffer.copy_(buffers[name])
        self.watched = True
        return self.forward(x, tape)

    def step(self) -> None:
        """Clip the gradients and take the optimizer's step."""
        started = self.clock()
        if self.max_norm is not None:
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.max_norm, foreach=False)
        self.optimizer.step()
        self.seconds += self.clock() - started

    def clock(self) -> float:
        """Wall-clock seconds, once the device has finished what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def predict(self, x: Array) -> Any:
        """The output in evaluation mode; every module's mode is afterwards what it was."""
        modes = [(module, module.training) for module in self.model.modules()]
        self.model.eval()
        with torch.no_grad():
            output = self.model(to_tensor(x, self.device))
        for module, training in modes:
            module.training = training
        return as_arrays(output)

    def evaluate(self, x: Array, target: Array) -> tuple[Any, float]:
        """Output and loss in evaluation mode."""
        output = self.predict(x)
        return output, self.loss_of(output, target)

    def loss_of(self, output: Any, target: Array) -> float:
        """The loss of an output that is there already."""
        with torch.no_grad():
            outputs = (to_tensor(part, self.device) for part in outputs_of(output))
            return float(self.criterion(*outputs, to_tensor(target, self.device)))

    def named_gradients(self) -> dict[str, Array | None]:
        """Name -> gradient of each parameter, as an array; None where there is none."""
        gradients = {n: None if p.grad is None else p.grad.cpu().numpy() for n, p in self.parameters.items()}
        if self.max_norm is not None:  # torch clips in place, and what is compared and clipped in NumPy is not clipped
            gradients = {n: None if g is None else g.copy() for n, g in gradients.items()}
        return gradients

    def own_gradients(self) -> dict[str, Array | None]:
        """Name -> gradient of this rank's own loss; `named_gradients` where there is one rank."""
        return (
            self.named_gradients() if self.parallel is None else {name: self.own.get(name) for name in self.parameters}
        )

    def named_weights(self) -> dict[str, Array]:
        """Name -> value of each parameter, as an array."""
        return {name: parameter.detach().cpu().numpy() for name, parameter in self.parameters.items()}

    def named_buffers(self) -> dict[str, Array]:
        """Name -> value of each buffer, as an array."""
        return {name: buffer.cpu().numpy() for name, buffer in self.buffers.items()}


def as_arrays(output: Any) -> Any:
    """Copies of one tensor, or of a tuple of them."""
    return tuple(to_array(part) for part in output) if isinstance(output, tuple) else to_array(output)


def takes_draws(module: torch.nn.Module) -> bool:
    """Whether a torch module may draw at random in training. Unknown ones are watched: a missed draw is an error."""
    drawing = (torch.nn.RReLU, torch.nn.FractionalMaxPool2d, torch.nn.FractionalMaxPool3d)
    if isinstance(getattr(module, "p", None), int | float) or isinstance(module, drawing):
        return True
    dropout = getattr(module, "dropout", 0.0)
    if isinstance(dropout, int | float) and dropout > 0:
        return True
    return not type(module).__module__.startswith("torch.nn")


def put_back(numpy_twin: NumpyTwin, torch_twin: TorchTwin) -> None:
    """Give the NumPy twin copies of torch's present weights and buffers, so that the next step starts equal."""
    weights, buffers = torch_twin.named_weights(), torch_twin.named_buffers()
    for name, parameter in numpy_twin.parameters.items():
        parameter.data = np.array(weights[name], dtype=parameter.dtype)
    for name, module, attribute, dtype in numpy_twin.buffers:
        setattr(module, attribute, np.array(buffers[name], dtype=dtype))


def check_same_names(numpy_twin: NumpyTwin, torch_twin: TorchTwin, comparison: Comparison) -> None:
    """UserError unless both networks have the same parameters and buffers, by name, shape and order."""
    ours = {name: value.shape for name, value in numpy_twin.model.state_dict().items()}
    theirs = {name: tuple(value.shape) for name, value in torch_twin.model.state_dict().items()}
    if ours != theirs:
        differing = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
        name = differing[0]
        where = definition(comparison.defining_torch)
        raise UserError(
            f"{'torch_model' if comparison.torch_model else 'model'} ({where}): the twins' state_dict differ in "
            f"{name!r}: shape {ours.get(name, 'none')} in NumPy, {theirs.get(name, 'none')} in torch "
            f"({len(differing)} names differ): give both twins the same layers, under the same names, in the same order"
        )
