"""A checkpoint comes back bit for bit, or is refused by name."""

import hashlib
import json
import os

import numpy as np
import pytest
import torch

from torchref.compare.errors import UserError
from torchref.compare.train import checkpoint

ARRAYS = {
    "0.weight": np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32),
    "file": np.array(2.5),
    "steps": np.arange(7),
    "empty": np.zeros((0, 3)),
}


def test_round_trip(tmp_path):
    """Bits, dtypes and shapes lost; a name that numpy.savez reserves; a newer checkpoint that does not replace."""
    checkpoint.save(tmp_path / "c", 3, {"old": np.zeros(2)}, {})
    path = checkpoint.save(tmp_path / "c", 20, ARRAYS, {"epoch": 2, "order": [3, 1, 2]})
    step, arrays, state = checkpoint.load(tmp_path / "c")
    assert (step, state) == (20, {"epoch": 2, "order": [3, 1, 2]})
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()
    assert checkpoint.latest(tmp_path / "c") == path
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_random_states_continue(tmp_path):
    """A resumed training must draw what the uninterrupted one draws, in both engines."""
    generator, torch_generator = np.random.default_rng(5), torch.Generator().manual_seed(5)
    generator.random(3)
    torch.rand(3, generator=torch_generator)
    state = {"rng": generator.bit_generator.state}
    checkpoint.save(tmp_path, 1, {"torch rng": torch_generator.get_state().numpy()}, state)
    expected = generator.random(4), torch.rand(4, generator=torch_generator)
    _, arrays, state = checkpoint.load(tmp_path)
    again = np.random.default_rng()
    again.bit_generator.state = state["rng"]
    torch_again = torch.Generator()
    torch_again.set_state(torch.from_numpy(arrays["torch rng"]))
    assert np.array_equal(again.random(4), expected[0])
    assert torch.equal(torch.rand(4, generator=torch_again), expected[1])


def test_a_kill_while_writing_keeps_the_previous_one(tmp_path, monkeypatch):
    """At every one of the renames: what is there before the manifest's is the previous checkpoint, whole."""
    checkpoint.save(tmp_path, 1, ARRAYS, {})
    replace = os.replace
    for allowed in (0, 1):
        calls = iter(range(10))

        def killed(source, target, allowed=allowed, calls=calls):
            if next(calls) == allowed:
                raise KeyboardInterrupt
            replace(source, target)

        monkeypatch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(tmp_path, 2, ARRAYS, {})
        assert checkpoint.load(tmp_path)[0] == 1
    monkeypatch.setattr(os, "replace", replace)
    checkpoint.save(tmp_path, 2, ARRAYS, {})
    assert len(list(tmp_path.iterdir())) == 2


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@pytest.mark.parametrize(
    "damage", [flip_a_bit, lambda p: os.truncate(p, 50), lambda p: os.truncate(p, 0), lambda p: p.write_text("{}")]
)
def test_damage_is_named(tmp_path, suffix, damage):
    """One flipped bit must not train on in silence; the message is one line with the file's name."""
    path = checkpoint.save(tmp_path, 1, ARRAYS, {}).with_suffix(suffix)
    damage(path)
    with pytest.raises(UserError, match=f"{path.name} is damaged") as caught:
        checkpoint.load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"step": "x"},
        {"step": 2},
        {"step": 2**70},
        {"state": 3},
        {"arrays": 3},
        {"arrays": [[[1], [2], "x"]]},
        {"npz_sha256": None},
    ],
)
def test_a_manifest_that_is_whole_and_says_something_else(tmp_path, change):
    """Catches a traceback for a manifest that another program, or somebody, has written and signed."""
    path = checkpoint.save(tmp_path, 1, ARRAYS, {})
    body = json.dumps(json.loads(json.loads(path.read_text())["body"]) | change)
    path.write_text(json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}))
    with pytest.raises(UserError, match="is damaged"):
        checkpoint.load(tmp_path)


def test_missing_and_unwritable(tmp_path):
    """No checkpoint, half a checkpoint, and a folder that is a file."""
    assert checkpoint.latest(tmp_path) is None
    with pytest.raises(UserError, match="no checkpoint in"):
        checkpoint.load(tmp_path)
    checkpoint.save(tmp_path, 1, ARRAYS, {}).with_suffix(".npz").unlink()
    with pytest.raises(UserError, match=r"cannot read .*step-0000000001\.npz"):
        checkpoint.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        checkpoint.save(tmp_path / "file", 1, ARRAYS, {})


def test_objects_are_refused(tmp_path):
    """An object array would be pickled, and a pickle runs code when it is read."""
    with pytest.raises(ValueError, match="Object arrays"):
        checkpoint.save(tmp_path, 1, {"x": np.array([{}], dtype=object)}, {})
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path, 1, {}, {"x": json})
    assert list(tmp_path.iterdir()) == []
