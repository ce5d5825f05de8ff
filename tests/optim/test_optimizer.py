"""The base of all optimizers: groups, names, closures, errors, copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import torchref
from torchref.nn import Parameter
from torchref.optim import SGD, Adam, AdamW, Optimizer
from torchref.twin.optimizer import from_torch_state, to_torch_state


def parameter(*shape: int) -> Parameter:
    return Parameter(np.ones(shape))


def tensor(*shape: int) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(*shape, dtype=torch.float64))


def both(make: Any) -> tuple[Any, Any]:
    """What `make(Parameter maker, SGD)` gives, or the exception it raises, for us and for torch."""

    def attempt(maker: Any, sgd: Any) -> Any:
        try:
            return make(maker, sgd)
        except Exception as error:
            return error

    return attempt(parameter, SGD), attempt(tensor, torch.optim.SGD)


WRONG = {
    "a parameter alone": lambda p, sgd: sgd(p(3)),
    "nothing": lambda p, sgd: sgd([]),
    "a set": lambda p, sgd: sgd([{"params": {p(3)}}]),
    "a number among them": lambda p, sgd: sgd([p(3), 1.0]),
    "some with names": lambda p, sgd: sgd([("a", p(3)), p(2)]),
    "a group that is no dict": lambda p, sgd: sgd([p(3)]).add_param_group([p(2)]),
    "a group without params": lambda p, sgd: sgd([{"lr": 0.1}]),
    "a group without names": lambda p, sgd: sgd([("a", p(3))]).add_param_group({"params": [p(2)]}),
    "a group with names": lambda p, sgd: sgd([p(3)]).add_param_group({"params": [("a", p(2))]}),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_params(case: str) -> None:
    """Catches params that are accepted, or refused with another exception than torch's."""
    ours, theirs = both(WRONG[case])
    assert isinstance(theirs, Exception)
    assert type(ours) is type(theirs), f"{case}: {ours!r} instead of {theirs!r}"


def test_shared_parameter() -> None:
    """Catches a parameter that would be updated twice a step."""
    p = parameter(3)
    with pytest.raises(ValueError, match="more than one parameter group"):
        SGD([{"params": [p]}, {"params": [p], "lr": 0.1}])
    with pytest.warns(UserWarning, match="twice"):
        SGD([p, p])


def test_params_must_be_floating() -> None:
    """Catches an integer array, whose update would round."""
    with pytest.raises(TypeError, match="int64"):
        SGD([Parameter(np.zeros(3, np.int64))])


def test_groups_defaults_and_names() -> None:
    """Catches options that miss the defaults, and a caller's dict that is changed."""
    group = {"params": [("w", parameter(2)), ("b", parameter(3))], "lr": 0.5}
    optimizer = SGD([group], lr=0.1, momentum=0.9)
    theirs = torch.optim.SGD([{"params": [("w", tensor(2)), ("b", tensor(3))], "lr": 0.5}], lr=0.1, momentum=0.9)
    assert list(group) == ["params", "lr"]
    assert optimizer.param_groups[0]["param_names"] == ["w", "b"]
    assert optimizer.state_dict() == theirs.state_dict()
    assert repr(optimizer) == repr(theirs)
    optimizer.add_param_group({"params": [("c", parameter(4))]})
    assert optimizer.param_groups[1]["lr"] == 0.1
    assert optimizer.state_dict()["param_groups"][1]["params"] == [2]


def test_add_param_group_mid_run() -> None:
    """Catches a state that is mixed up when a group joins later."""
    ours, theirs = [parameter(3), parameter(2)], [tensor(3), tensor(2)]
    optimizer, their_optimizer = Adam(ours[:1], lr=0.1), torch.optim.Adam(theirs[:1], lr=0.1, foreach=False)
    for step in range(6):
        if step == 3:
            optimizer.add_param_group({"params": ours[1], "lr": 0.2})
            their_optimizer.add_param_group({"params": theirs[1], "lr": 0.2})
        for p, t in zip(ours, theirs, strict=True):
            p.grad = p.data * (step + 1)
            t.grad = torch.from_numpy(p.grad.copy())
        optimizer.step()
        their_optimizer.step()
        for p, t in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.data, t.detach().numpy(), rtol=1e-13)


def test_closure() -> None:
    """Catches a closure that is not called, called too late, or whose loss is lost."""
    p = parameter(3)
    optimizer = SGD([p], lr=0.5)

    def closure() -> Any:
        optimizer.zero_grad()
        p.grad = 2 * p.data
        return np.sum(p.data**2)

    assert optimizer.step(closure) == 3.0
    assert np.array_equal(p.data, np.zeros(3))
    assert optimizer.step() is None


def test_zero_grad() -> None:
    """Catches a gradient that is cleared in place while another holds it."""
    p, q = parameter(3), parameter(2)
    gradient = p.grad = np.ones(3)
    optimizer = SGD([p, q])
    optimizer.zero_grad(set_to_none=False)
    assert np.array_equal(p.grad, np.zeros(3))
    assert np.array_equal(gradient, np.ones(3))
    assert q.grad is None
    optimizer.zero_grad()
    assert p.grad is None


def test_wrong_gradient() -> None:
    """Catches a gradient that would be broadcast or cast."""
    p = parameter(3)
    optimizer = SGD([p])
    for gradient, message in [(np.ones(1), r"\(1,\)"), (np.ones(3, np.float32), "float32"), (1.0, "float")]:
        p.grad = gradient  # type: ignore[assignment]
        with pytest.raises(RuntimeError, match=message):
            optimizer.step()


def test_state_dict_is_a_copy() -> None:
    """Catches a saved state that moves on with the run, and a loaded one that is shared."""
    p = parameter(3)
    p.grad = np.ones(3)
    optimizer = Adam([p])
    optimizer.step()
    saved = optimizer.state_dict()
    optimizer.step()
    assert saved["state"][0]["step"] == 1
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert saved["state"][0]["step"] == 1
    assert optimizer.state[p]["step"] == 2


def test_load_state_dict_casts_to_the_parameter() -> None:
    """Catches a float64 state on a float32 parameter; torch casts, but not the step."""
    p, q = parameter(3), Parameter(np.ones(3, np.float32))
    p.grad = np.ones(3)
    optimizer, other = Adam([p]), Adam([q])
    optimizer.step()
    state = optimizer.state_dict()
    state["state"][0]["step"] = np.ones((), np.float64)
    other.load_state_dict(state)
    assert other.state[q]["exp_avg"].dtype == np.float32
    assert other.state[q]["step"].dtype == np.float64


def test_load_state_dict_refuses() -> None:
    """Catches a state for other groups, and torch's tensors given unconverted."""
    optimizer = SGD([parameter(3), parameter(2)], momentum=0.9)
    one = SGD([parameter(3)]).state_dict()
    two = SGD([{"params": [parameter(3)]}, {"params": [parameter(2)]}]).state_dict()
    for wrong, message in [(one, "1 parameters in group 0"), (two, "2 parameter groups")]:
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(wrong)
    wrong = optimizer.state_dict()
    wrong["state"] = {0: {"momentum_buffer": torch.ones(3)}}
    with pytest.raises(TypeError, match="from_torch_state"):
        optimizer.load_state_dict(wrong)


def test_adamw_stays_decoupled() -> None:
    """Catches Adam's saved options turning AdamW into Adam."""
    optimizer = AdamW([parameter(3)])
    optimizer.load_state_dict(Adam([parameter(3)]).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


def test_base_has_no_update() -> None:
    """Catches a base class that silently does nothing."""
    p = parameter(3)
    p.grad = np.ones(3)
    with pytest.raises(NotImplementedError, match="Optimizer"):
        Optimizer([p], {}).step()


def test_torch_state_round_trip() -> None:
    """Catches an array that is shared between the twins, and a tensor learning rate that stays one."""
    theirs = torch.optim.Adam([tensor(3)], lr=torch.tensor(0.5))
    theirs.param_groups[0]["params"][0].grad = torch.ones(3, dtype=torch.float64)
    theirs.step()
    state = from_torch_state(theirs.state_dict())
    assert state["param_groups"][0]["lr"] == 0.5
    assert isinstance(state["param_groups"][0]["lr"], float)
    assert not np.shares_memory(state["state"][0]["exp_avg"], theirs.state_dict()["state"][0]["exp_avg"].numpy())
    back = to_torch_state(state)
    assert torch.equal(back["state"][0]["exp_avg"], theirs.state_dict()["state"][0]["exp_avg"])
    assert not np.shares_memory(back["state"][0]["exp_avg"].numpy(), state["state"][0]["exp_avg"])
    assert torchref.optim.Adam([parameter(3)]).load_state_dict(state) is None


def test_numpy_numbers_become_pythons() -> None:
    """Catches a learning rate that torch would meet as numpy.float32, which is no number to it."""
    optimizer = torchref.optim.SGD([parameter(3)], lr=np.float32(0.5))
    (group,) = to_torch_state(optimizer.state_dict())["param_groups"]
    assert type(group["lr"]) is float


def test_load_state_dict_keeps_what_the_state_lacks() -> None:
    """Catches names that a state without names wipes out, and an entry that belongs to no parameter and is lost."""
    saved = [], []
    for engine, make, new in ((torchref.optim, SGD, parameter), (torch.optim, torch.optim.SGD, tensor)):
        named = make([("weight", new(3))], lr=0.1)
        state = make([new(3)], lr=0.2).state_dict()
        state["state"]["of the run"] = {"epoch": 3}
        named.load_state_dict(state)
        which = saved[0 if engine is torchref.optim else 1]
        which += [named.param_groups[0]["lr"], named.param_groups[0]["param_names"], named.state["of the run"]]
    assert saved[0] == saved[1] == [0.2, ["weight"], {"epoch": 3}]
