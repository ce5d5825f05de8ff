"""The user's hooks: where a gradient parts that a hook may have changed, no operation need be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.nn.modules import module as of_all_modules

from torchref.referee.local import Key, Seen, Share
from torchref.referee.record import Recorder
from torchref.referee.recording import Recording

__all__ = ["suspected"]


def suspected(key: Key, seen: Seen, share: Share | None, recording: Recording) -> str:
    """The hooks of the user's that get the gradient of this tensor; empty where there are none."""
    of_tensor = [hook for hook in hooks_of(key, seen, recording) if hook.__module__ != Recorder.__module__]
    if of_tensor:
        return f"a hook on this tensor may have changed it, and no operation{places(of_tensor)}"
    for path, hooks in recording.hooked_modules:
        if share is not None and crosses(path, key, seen, share, recording):
            named = f"the module {path}" if path else "the model"
            return f"a backward hook of {named} may have changed it, and no operation{places(hooks)}"
    every = [*of_all_modules._global_backward_hooks.values(), *of_all_modules._global_backward_pre_hooks.values()]
    if every:
        return f"a backward hook of all modules may have changed it, and no operation{places(every)}"
    return ""


def hooks_of(key: Key, seen: Seen, recording: Recording) -> list[Any]:
    """All hooks on the tensor itself."""
    if seen.maker is not None:
        return [*(seen.maker.hooks.get(key[2]) or {}).values()]
    leaf: torch.Tensor = recording.leaves[key[1]][0]
    return [*(leaf._backward_hooks or {}).values(), *(leaf._post_accumulate_grad_hooks or {}).values()]


def crosses(path: str, key: Key, seen: Seen, share: Share, recording: Recording) -> bool:
    """Whether the tensor goes into the module, or out of it, on its way to this reader: there its hooks are called."""
    if key[0] == "leaf" and isinstance(recording.leaves[key[1]][0], torch.nn.Parameter):  # it belongs to a module
        return False
    made_inside = seen.maker is not None and within(seen.maker.module, path)
    return made_inside != within(share.node.module, path)


def within(module: str, path: str) -> bool:
    return f"{module}.".startswith(f"{path}.") or not path


def places(hooks: list[Any]) -> str:
    """Where these hooks stand, as far as they have a line."""
    return "".join(f" ({place})" for place in dict.fromkeys(lines(hooks)))


def lines(hooks: list[Any]) -> Iterator[str]:
    for hook in hooks:
        code = getattr(hook, "__code__", None)
        if code is not None:
            yield f"{code.co_filename}:{code.co_firstlineno}"
