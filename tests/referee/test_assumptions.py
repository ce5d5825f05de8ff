"""What the recorder takes for granted of torch, which torch does not promise: each assumption has a test."""

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from torchref.referee import judge
from torchref.referee.record import Recorder


class Seen(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, result, torch.is_grad_enabled()))
        return result


def test_a_tensor_keeps_its_identity_and_has_its_grad_fn_after_the_call():
    """Catches a torch whose dispatcher returns other tensors than the user gets, or tells no gradient by a hook."""
    x = torch.randn(3, requires_grad=True)
    with Seen() as seen:
        y = x.exp()
    (_, (given,), result, enabled) = seen.calls[0]
    assert given is x
    assert result is y
    assert enabled
    told = []
    result.register_hook(told.append)
    y.sum().backward()
    assert torch.equal(told[0], torch.ones(3))


def test_grad_mode_and_requires_grad_are_seen_below_autograd():
    """Catches a recorder that would not know where a gradient goes."""
    x = torch.randn(3, requires_grad=True)
    with Seen() as seen, torch.no_grad():
        x.exp()
        x.detach().exp()
    assert [call[3] for call in seen.calls] == [False] * 3
    assert [call[1][0].requires_grad for call in seen.calls] == [True, True, False]


def test_a_storage_has_one_address_whatever_view_is_seen():
    """Catches a torch in which `_cdata` does not name the memory."""
    x = torch.randn(3, 4)
    assert x.T[1:].untyped_storage()._cdata == x.untyped_storage()._cdata
    assert x.clone().untyped_storage()._cdata != x.untyped_storage()._cdata


def test_batch_norm_writes_what_its_schema_does_not_say():
    """Catches a torch that has mended it: the recorder's list could go."""
    schema = torch.ops.aten.native_batch_norm.default._schema
    assert not any(a.alias_info is not None and a.alias_info.is_write for a in schema.arguments)


def test_autograd_asks_for_views_alone_where_it_has_locked_a_history():
    """Catches a torch that dispatches other operations while it holds the lock of a tensor's history. To bring that of
    a conjugate up to date, behind a write through it, it makes the conjugate once more; who then asked for the
    history of what was written would wait for ever."""
    y = torch.randn(3, 4, dtype=torch.complex128, requires_grad=True) * 1
    with Seen() as seen:
        y.conj().mul_(2j)
    names = [func._schema.name for func, *_ in seen.calls]
    assert names == [f"aten::{name}" for name in ("_conj", "clone", "mul_", "copy_", "_conj")]
    assert seen.calls[-1][0].is_view


def test_the_history_is_not_asked_for_at_a_view(monkeypatch):
    """Catches a recorder that waits for ever in such a place, where no such view is made: it counts."""
    asked, dispatched = [], []
    attach, dispatch = Recorder.attach, Recorder.__torch_dispatch__
    monkeypatch.setattr(Recorder, "attach", lambda self, call: (asked.append(call), attach(self, call))[1])

    def counting(self, func, types, args=(), kwargs=None):
        dispatched.append(func)
        return dispatch(self, func, types, args, kwargs)

    monkeypatch.setattr(Recorder, "__torch_dispatch__", counting)
    model = nn.Linear(4, 4)
    report = judge(model, lambda: model(torch.ones(3, 4)).T[1:].view(3, 3).sin().sum())
    views = [func for func in dispatched if func.is_view]
    assert report.passed
    assert len(views) >= 3
    assert len(asked) == len(dispatched) - len(views) + 1  # and once at the end


def test_a_custom_function_is_a_frame_of_apply():
    """Catches a torch in which the recorder would not find the Function around an operation."""
    code = torch.autograd.Function.apply.__func__.__code__
    assert code.co_name == "apply"
    assert code.co_varnames[0] == "cls"
