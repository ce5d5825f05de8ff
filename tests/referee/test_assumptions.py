"""What the recorder takes for granted of torch, which torch does not promise: each assumption has a test."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode


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


def test_a_custom_function_is_a_frame_of_apply():
    """Catches a torch in which the recorder would not find the Function around an operation."""
    code = torch.autograd.Function.apply.__func__.__code__
    assert code.co_name == "apply"
    assert code.co_varnames[0] == "cls"
