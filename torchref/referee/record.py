"""Record a run of a torch model below autograd: every operation, on which windows of which storages.

A TorchDispatchMode sees the operations after autograd has, with concrete values; so control flow, views, writes in
place and random draws need no care. What torch decides stays torch's: `requires_grad` says where a gradient goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from torchref.referee.errors import RefereeError
from torchref.referee.frames import find_place
from torchref.referee.history import history, is_differentiable, is_of, is_own, is_view, is_view_of_leaf
from torchref.referee.recording import Node, Recording, tensors_in
from torchref.referee.storage import Ref, Storage, Version, as_pairs, covers
from torchref.twin.draws import drawing

__all__ = ["Recorder"]

# Operations that write into arguments of which their schema says nothing: name -> the positions, and their switch.
WRITES_UNSAID = dict.fromkeys(("native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm"), ((3, 4), 5))
# Operations that draw into an argument and read what they have drawn: name -> its position.
DRAWS_INTO = {"rrelu_with_noise": 1}


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Records into `recording` while it is active; `end` is the code of the frame above the user's."""

    def __init__(self, end: CodeType) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recording = Recording()
        self.end = end
        self.active = True
        self.modules: list[str] = []
        self.storages: dict[int, Storage] = {}
        self.pending: list[tuple[torch.Tensor, Node, int]] = []
        self.made_by: dict[tuple[Any, int], Ref] = {}  # by autograd's function and which of its outputs
        self.parameters: set[Storage] = set()
        self.overwritten: dict[Storage, torch.Tensor] = {}  # parameters, as they were
        self.allocated: dict[Storage, tuple[Node, list[Ref]]] = {}  # in a custom Function, and what that was given

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        place, given = find_place(self.end)
        if place.hook:
            self.recording.inside.setdefault("a hook", place.source)
        if not func.is_view:  # autograd itself may ask for a view, to bring a tensor's history up to date: locked
            self.attach(place.call)
        cut = func is torch.ops.aten.detach.default and place.call is None
        if cut or torch.Tag.inplace_view in func.tags:
            return func(*args, **kwargs)
        values, named = mapped((args, kwargs), lambda tensor: self.ref(tensor, place.call))
        module = self.modules[-1] if self.modules else ""
        node = Node(len(self.recording.nodes), func, values, named, place, module)
        targets = self.targets(node, args, kwargs)
        kept = any(self.storage(tensor) in self.recording.buffers for tensor in targets)
        if kept or self.may_be_tracked(node):
            for ref in node.inputs:
                ref.version.read = True
        self.keep(targets)
        result = func(*args, **kwargs)
        outputs: list[torch.Tensor] = tensors_in(result, torch.Tensor) or targets  # some write and return nothing
        refuse_without_memory(outputs)
        fresh = [t for t in outputs if t.untyped_storage()._cdata not in self.storages]
        if not fresh and not targets:  # views alone
            self.await_views(outputs, place.call)
            return result
        if how := drawing(func, args, kwargs):
            refuse_hidden(node, how)
            self.recording.draws += 1
        node.tracked = self.may_be_tracked(node) and any(is_differentiable(t) for t in outputs)
        if place.call is not None and fresh:
            self.allocate(node, fresh, given)
        self.enter(node, outputs, targets)
        if kept:
            self.keep_written(node, targets)
        return result

    def keep(self, targets: list[torch.Tensor]) -> None:
        """Keep what is about to be overwritten: what was read, and a parameter to be put back."""
        for storage in map(self.storage, targets):
            storage.version.keep()
            if storage in self.parameters and storage not in self.overwritten:
                self.overwritten[storage] = storage.flat.clone()

    def overwritten_of(self, model: torch.nn.Module) -> list[torch.Tensor]:
        """The parameters of the model that the run has overwritten."""
        return [p for p in model.parameters() if self.overwritten and self.storage(p) in self.overwritten]

    def put_back(self) -> None:
        """Give the parameters that the run has overwritten, by an optimizer's step or a norm, their numbers again."""
        with torch.no_grad():
            for storage, numbers in self.overwritten.items():
                storage.version.keep()  # who read it after the step has read other numbers
                storage.flat.copy_(numbers)

    def enter(self, node: Node, outputs: list[torch.Tensor], targets: list[torch.Tensor]) -> None:
        """Enter the node, if a gradient passes it or what it wrote; else its values are given."""
        if node.tracked or any(self.storage(t).version.maker is not None for t in targets):
            self.add(node, outputs, targets)
        else:
            self.recording.given += 1
            for tensor in targets:
                storage = self.storage(tensor)
                storage.version = Version(storage)

    def keep_written(self, node: Node, targets: list[torch.Tensor]) -> None:
        """Remember what the node wrote into a buffer."""
        written = [Ref(self.storage(tensor).version, tensor, False) for tensor in targets]
        for ref in written:
            ref.version.read = True
        self.recording.writes.append((node, written))

    def storage(self, tensor: torch.Tensor) -> Storage:
        """The storage of a tensor, which is remembered at its first sight."""
        refuse_without_memory([tensor])
        key = tensor.untyped_storage()._cdata
        if key not in self.storages:
            self.storages[key] = Storage(tensor)
        return self.storages[key]

    def ref(self, tensor: torch.Tensor, call: int | None) -> Ref:
        """The window that `tensor` is, now. In a custom Function what its call computed from its inputs needs a
        gradient, whatever torch says: there it does not look inside."""
        refuse_without_memory([tensor])
        new = tensor.untyped_storage()._cdata not in self.storages
        storage = self.storage(tensor)
        if call is None and history(tensor) is not None and not is_view_of_leaf(tensor):
            self.meet(tensor, storage, new)
            if torch._C._current_graph_task_id() != -1 and (computed := self.computed_before(tensor, storage)):
                return computed
        needs = tensor.requires_grad or storage.resolved or (call is not None and storage.call == call)
        ref = Ref(storage.version, tensor, needs and storage.floating)
        own = tensor.requires_grad and tensor.is_leaf and tensor._base is None
        if own and (call is None or new or is_own(tensor)) and not self.stands_for_a_leaf(tensor, storage):
            self.recording.leaves.setdefault(id(tensor), (tensor, ref))
        return ref

    def computed_before(self, tensor: torch.Tensor, storage: Storage) -> Ref | None:
        """What the tensor stands for that a checkpoint has computed once more for a backward in the run: autograd
        passes its gradient to what was computed at first."""
        function, number = history(tensor), tensor.output_nr
        while function is not None and (function, number) not in self.made_by and is_view(function):
            function, number = function.next_functions[0]
        first = self.made_by.get((function, number))
        if first is None or first.storage is storage or first.storage.size != storage.size:
            return None
        return Ref(first.version, tensor, True)

    def stands_for_a_leaf(self, tensor: torch.Tensor, storage: Storage) -> bool:
        """Whether a checkpoint has saved the tensor for a backward in the run in place of a leaf that is known."""
        inside = torch._C._current_graph_task_id() != -1 and id(tensor) not in self.recording.leaves
        return inside and any(ref.storage is storage for _, ref in self.recording.leaves.values())

    def allocate(self, node: Node, fresh: list[torch.Tensor], given: list[torch.Tensor]) -> None:
        """Remember memory that is made in a custom Function and not filled, and what the Function was given."""
        if not node.tracked or "empty" in node.name:
            refs = [self.ref(tensor, None) for tensor in given]
            self.allocated |= {self.storage(tensor): (node, refs) for tensor in fresh}

    def meet(self, tensor: torch.Tensor, storage: Storage, new: bool) -> None:
        """A tensor that has a history for autograd, and perhaps none for us. RefereeError where it is from before.

        If a custom Function returned it, and only its memory was made there, a kernel has written it that does not go
        through the dispatcher: Triton's, an extension's, NumPy's.
        """
        if new:
            raise RefereeError(
                f"a tensor of the shape {tuple(tensor.shape)} with a gradient was computed before the closure ran, or "
                "in another thread: compute it in the closure's own thread, or detach it"
            )
        made, refs = self.allocated.get(storage, (None, []))
        maker = None if storage.version.maker is None else self.recording.nodes[storage.version.maker]
        if made is None or not (maker is None or maker is made or not maker.tracked):
            return
        made.hooked.clear()
        node = Node(len(self.recording.nodes), made.func, (), {}, made.place, made.module)
        node.unseen = True
        node.inputs = refs
        self.add(node, [tensor], [])

    def targets(self, node: Node, args: Any, kwargs: Any) -> list[torch.Tensor]:
        """The tensors among the arguments into which the operation writes."""
        found: list[Any] = []
        for i, argument in enumerate(node.func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                found.append(kwargs.get(argument.name, args[i] if i < len(args) else None))
        if node.name in WRITES_UNSAID:
            positions, switch = WRITES_UNSAID[node.name]
            if args[switch]:
                found += [args[i] for i in positions]
        return tensors_in(found, torch.Tensor)

    def may_be_tracked(self, node: Node) -> bool:
        """Whether torch takes a gradient through it, unless it has none (`attach` sees that)."""
        enabled = torch.is_grad_enabled() or node.place.call is not None
        return enabled and any(ref.needs for ref in node.inputs)

    def add(self, node: Node, outputs: list[torch.Tensor], targets: list[torch.Tensor]) -> None:
        """Enter the node; each storage that it wrote has a new version, made by it."""
        for tensor in targets:
            storage = self.storage(tensor)
            storage.version = Version(storage, storage.version)
        if node.name in DRAWS_INTO and targets:
            self.read_drawn(node, targets[0])
        for i, tensor in enumerate(outputs):
            storage = self.storage(tensor)
            storage.version.maker = node.index
            if node.tracked:
                storage.call = node.place.call
            node.outputs.append(Ref(storage.version, tensor, node.tracked and is_differentiable(tensor)))
            if node.tracked and is_differentiable(tensor):
                self.pending.append((tensor, node, i))
        self.recording.nodes.append(node)

    def read_drawn(self, node: Node, drawn: torch.Tensor) -> None:
        """The node reads what it has drawn, not what was there before."""
        position = DRAWS_INTO[node.name]
        ref = self.ref(drawn, None)
        ref.version.read = True
        node.args = (*node.args[:position], ref, *node.args[position + 1 :])
        node.inputs = tensors_in((node.args, node.kwargs), Ref)

    def await_views(self, views: list[torch.Tensor], call: int | None) -> None:
        """Remember views of whole results inside a custom Function: they may be what it returns. Of which output of
        their maker: -1 where that has written a part alone."""
        for view in views if call is not None else ():
            storage = self.storage(view)
            maker = storage.version.maker
            if maker is None or not covers(Ref(storage.version, view, True)) or view.is_conj() or view.is_neg():
                continue
            node = self.recording.nodes[maker]
            refs = [ref if ref.needs and ref.version is storage.version else None for ref in node.outputs]
            if node.place.call == call and any(refs):
                whole = (i for i, ref in enumerate(refs) if ref is not None and covers(ref))
                self.pending.append((view, node, next(whole, -1)))

    def attach(self, call: int | None) -> None:
        """Ask torch for the gradient of what the last operations returned: by now autograd knows it.

        What a custom Function computes inside is known to autograd only if it is what the Function returns.
        """
        waiting = []
        written: list[tuple[torch.Tensor, Node]] = []
        for tensor, node, i in self.pending:
            if node.place.function is not None and not is_of(tensor, node.place.function):
                if node.place.call == call:
                    waiting.append((tensor, node, i))
            elif i < 0 or (node.place.call is not None and not node.unseen and self.is_used_inside(tensor, node, i)):
                written.append((tensor, node))
            elif tensor.requires_grad and not tensor.is_leaf:
                self.watch(tensor, node, i)
            elif self.storage(tensor).resolved or (node.name == "clone" and node.inputs[0].sign is not None):
                # Below autograd torch copies what was conjugated lazily, for an operation that reads memory as it is;
                # and copies back what that has written.
                self.storage(tensor).resolved = True
            else:  # torch says that no gradient passes: the values are given
                node.outputs[i].needs = False
                node.tracked = any(ref.needs for ref in node.outputs)
        self.pending = waiting
        for tensor, node in written:
            if (history(tensor), tensor.output_nr) not in self.made_by:
                self.add_returned(tensor, node)

    def is_used_inside(self, tensor: torch.Tensor, node: Node, i: int) -> bool:
        """Whether the custom Function has written into the node's output, or read it, before it returned it."""
        version = node.outputs[i].version
        later = [n for n in self.recording.nodes[node.index + 1 :] if n.place.call == node.place.call]
        read = any(ref.needs and ref.version is version for other in later for ref in other.inputs)
        return read or version is not self.storage(tensor).version

    def add_returned(self, tensor: torch.Tensor, maker: Node) -> None:
        """Enter that a custom Function returns the tensor, which it used after `maker` had made it: torch tells the
        gradient of what it is behind the Function, without what comes from its use inside."""
        ref = self.ref(tensor, maker.place.call)
        node = Node(len(self.recording.nodes), torch.ops.aten.clone.default, (ref,), {}, maker.place, maker.module)
        self.add(node, [tensor], [tensor])
        self.pending.pop()  # which is asked now
        self.watch(tensor, node, 0)

    def watch(self, tensor: torch.Tensor, node: Node, i: int) -> None:
        """Ask torch for the gradient of the node's i-th output; of a view written in place that view alone knows it."""
        ref, base = node.outputs[i], tensor._base
        self.made_by[history(tensor), tensor.output_nr] = ref
        if base is None or not base.requires_grad:  # a custom Function may return a view of what is its own
            node.hooked.add(i)
            tensor.register_hook(self.keeper(node, i, tensor))  # type: ignore[no-untyped-call]
            node.hooks[i] = tensor._backward_hooks
        else:  # the write has made all of it anew
            self.made_by[history(base), base.output_nr] = Ref(ref.version, base, True)

    def keeper(self, node: Node, i: int, seen: torch.Tensor) -> Callable[[torch.Tensor], None]:
        """A hook that keeps the gradient of the node's i-th output, once the run itself is over.

        `seen` is the output, or a view of all of it; the gradient is kept in the places of the output.
        """
        ref, view = node.outputs[i], Ref(node.outputs[i].version, seen, True)
        same = (view.size, view.stride, view.offset) == (ref.size, ref.stride, ref.offset)

        def keep(gradient: torch.Tensor | None) -> None:
            if not self.active and gradient is not None:
                gradient = as_pairs(gradient.detach())
                if not same:
                    whole = gradient.new_empty(ref.storage.size)
                    whole.as_strided(view.size, view.stride, view.offset).copy_(gradient)
                    gradient = whole.as_strided(ref.size, ref.stride, ref.offset)
                node.gradients[i] = gradient

        return keep

    @contextmanager
    def watching(self, model: torch.nn.Module) -> Iterator[None]:
        """Within this context the recorder knows in which module of `model` it is, and what its buffers are."""
        handles: list[Any] = []
        self.parameters = {self.storage(p) for p in model.parameters() if not torch.nn.parameter.is_lazy(p)}
        for name, buffer in model.named_buffers():
            self.recording.buffers[self.storage(buffer)] = name
        for name, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):  # takes no hooks
                continue
            if hooks := [*module._backward_hooks.values(), *module._backward_pre_hooks.values()]:
                self.recording.hooked_modules.append((name, hooks))

            def enter(_module: Any, _args: Any, name: str = name) -> None:
                self.modules.append(name)

            def leave(_module: Any, _args: Any, _output: Any) -> None:
                self.modules.pop()

            handles.append(module.register_forward_pre_hook(enter))
            handles.append(module.register_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def finish(self, loss: torch.Tensor, buffers: Iterable[torch.Tensor] = ()) -> Recording:
        """End the recording; `loss` is what the run returned. The buffers will be put back: what was read is kept."""
        self.attach(None)
        for buffer in buffers:
            self.storage(buffer).version.keep()
        self.recording.loss = self.ref(loss, None)
        self.active = False
        self.made_by.clear()
        return self.recording


def refuse_without_memory(tensors: list[torch.Tensor]) -> None:
    """RefereeError for a tensor whose numbers are not there, or not in one strided piece of memory."""
    for tensor in tensors:
        if tensor.is_meta:
            raise RefereeError("a tensor on the device meta has no numbers: make the model and its data on a real one")
        if tensor.layout != torch.strided or tensor.is_nested:
            layout = "nested" if tensor.is_nested else str(tensor.layout).removeprefix("torch.")
            raise RefereeError(f"the run makes a tensor of the layout {layout}: only strided (dense) ones are replayed")


def refuse_hidden(node: Node, how: str) -> None:
    """RefereeError where an operation draws at random inside a fused kernel, and keeps what it drew."""
    if how == "hidden":
        where = f" in {node.module}" if node.module else ""
        raise RefereeError(
            f"{node.op}{where} at {node.place.source} draws at random inside a fused kernel and hides it: use torch.nn."
            "attention.sdpa_kernel(SDPBackend.MATH), and for cuDNN torch.backends.cudnn.flags(enabled=False)"
        )


def mapped(value: Any, function: Callable[[torch.Tensor], Ref]) -> Any:
    """`value`, nested tuples, lists and dicts, with `function` of every tensor in its place."""
    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: mapped(part, function) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)([mapped(part, function) for part in value])
    return value
