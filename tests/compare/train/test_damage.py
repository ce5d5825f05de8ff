"""Damaged files of every kind that the program reads: the answer is one line and status 2, or the file is still right.

Each file is damaged from a seed, a counted number of times; `pytest -m slow` does it many more times.
"""

import gzip
import hashlib
import json
import pickle
import re
import resource
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from torchref.cli.command_line import main
from torchref.compare.catalogue import find
from torchref.compare.datasets.adapt import as_images, as_symbols, as_values, as_vectors
from torchref.compare.datasets.own import load
from torchref.compare.datasets.table import Choices
from torchref.compare.errors import UserError
from torchref.compare.record import view
from torchref.compare.record.metrics import read_metrics
from torchref.compare.train import run as training
from torchref.compare.train import variant as variant_training

SEED = 7
MEMORY = 4 << 30  # bytes beyond what there is: what a header promises is not to be allocated
TINY = str(Path(__file__).parents[1] / "tiny.py")
TABLE = "width;color;länge;label\n" + "".join(f"{i},5;{'rgb'[i % 3]};{i * i};{'ab'[i % 2]}\n" for i in range(20))
ABSURD = (b"-1", b"0", b"99999999999999999999", b"1e400", b"nan", b"9" * 5000, b"null", b'"x"', b"[]", b"[" * 5000)


# --- damage -----------------------------------------------------------------------------------------------------------


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """The same, up to three times cut off, a bit flipped, a piece lost, doubled or overwritten, a number changed."""
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, len(data) + 1))
        # half of all damage lies in the first bytes, where headers are
        at = min(at, int(rng.integers(0, 200))) if rng.random() < 0.5 else at
        end = at + int(rng.integers(1, 20))
        kind = rng.integers(0, 7)
        if kind == 0:
            data = data[:at]
        elif kind == 1 and data[at:]:
            data = data[:at] + bytes([data[at] ^ 1 << int(rng.integers(0, 8))]) + data[at + 1 :]
        elif kind == 2:
            data = data[:at] + data[end:]
        elif kind == 3:
            data = data[:end] + data[at:]
        elif kind == 4:
            data = data[:at] + rng.choice([b"\xff", b"\0", rng.bytes(1)]) * (end - at) + data[end:]
        elif kind == 5:
            data = data[:at] + rng.bytes(end - at) + data[at:]
        else:
            numbers = list(re.finditer(rb"\d+", data))
            if numbers:
                number = numbers[int(rng.integers(0, len(numbers)))]
                data = data[: number.start()] + ABSURD[int(rng.integers(0, len(ABSURD)))] + data[number.end() :]
    return data


def changed(tree, rng, depth=0):
    """A JSON tree with one of its nodes exchanged for something else, lost, or nested deeply."""
    if (depth and rng.random() < 0.25) or not isinstance(tree, dict | list) or not tree:
        other = [None, True, -1, 2**70, "x", [], {}, [[1], "y"], {"dict": []}, {"array": "no"}, float("nan")]
        return other[int(rng.integers(0, len(other)))]
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[int(rng.integers(0, len(keys)))]
    if rng.random() < 0.1:
        return {k: v for k, v in tree.items() if k != key} if isinstance(tree, dict) else tree[:key] + tree[key + 1 :]
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[key] = changed(tree[key], rng, depth + 1)
    return copy


def signed_anew(data: bytes, rng: np.random.Generator) -> bytes:
    """A checkpoint's manifest that says something else, and whose checksum is right."""
    body = json.dumps(changed(json.loads(json.loads(data)["body"]), rng))
    return json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}).encode()


def chained_anew(data: bytes, rng: np.random.Generator) -> bytes:
    """A record with another line in it, and right hashes."""
    lines = [line.rpartition(', "chain": "')[0] + "}" for line in data.decode().splitlines()]
    which = int(rng.integers(0, len(lines)))
    lines[which] = json.dumps(changed(json.loads(lines[which]), rng))
    chain, written = "", b""
    for line in lines:
        chain = hashlib.sha256((chain + line).encode()).hexdigest()[:16]
        written += f'{line[:-1]}, "chain": "{chain}"}}\n'.encode()
    return written


def one_line(read, begin: str) -> None:
    """Call `read`; a UserError must be one line that begins so."""
    said = begin
    try:
        read()
    except UserError as error:
        said = str(error)
    assert said.startswith(begin)
    assert "\n" not in said


@pytest.fixture
def little_memory():
    """Whoever allocates what a header promises gets a MemoryError."""
    kept = resource.getrlimit(resource.RLIMIT_AS)
    there = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (there + MEMORY, kept[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, kept)


# --- data -------------------------------------------------------------------------------------------------------------


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_images(folder: Path, pack=lambda data: data) -> Path:
    rng = np.random.default_rng(0)
    (folder / "train-labels-idx1-ubyte").write_bytes(pack(idx((np.arange(20) % 3).astype(np.uint8))))
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(pack(idx(rng.integers(0, 256, (20, 5, 5), np.uint8))))
    return path


def write_npz(folder: Path, save=np.savez) -> Path:
    rng = np.random.default_rng(0)
    save(folder / "a.npz", x=rng.standard_normal((20, 4)), y=np.arange(20) % 3)
    return folder / "a.npz"


def write(name: str, data: bytes):
    def write_file(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return write_file


PIXELS = np.random.default_rng(0).integers(0, 256, (6, 3072), np.uint8)
RECORDS = b"".join(bytes([i]) + row.tobytes() for i, row in enumerate(PIXELS))
DATA = {
    "npz": write_npz,
    "packed npz": lambda folder: write_npz(folder, np.savez_compressed),
    "csv": write("a.csv", TABLE.encode()),
    "csv in UTF-16": write("a.csv", TABLE.encode("utf-16")),
    "packed csv": write("a.csv.gz", gzip.compress(TABLE.encode(), mtime=0)),
    "idx": write_images,
    "packed idx": lambda folder: write_images(folder, lambda data: gzip.compress(data, mtime=0)),
    "text": write("a.txt", b"the quick brown fox jumps over the lazy dog. " * 20),
    "CIFAR's records": write("data_batch_1.bin", RECORDS),
    "CIFAR's pickle": write("data_batch_1", pickle.dumps({b"data": PIXELS, b"labels": list(range(6))}, 2)),
}
CHOICES = [None, Choices(missing="drop", text="one-hot"), Choices(missing="mean", text="drop", target="value")]


def use(path: Path, choices: Choices | None) -> None:
    """Read the file and all that is in it, as a comparison does."""
    data = load(path, choices)
    for part in vars(data).values():
        part[:]
    for adapt in (as_vectors, as_images, as_symbols, as_values):
        one_line(lambda adapt=adapt: adapt(data), "data: ")


@pytest.mark.parametrize("count", [40, pytest.param(3_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", DATA)
def test_damaged_data(kind, count, tmp_path, little_memory):
    """Catches a reader that ends in anything but its data or one line with the file's name."""
    path = DATA[kind](tmp_path)
    whole, rng = path.read_bytes(), np.random.default_rng(SEED)
    for number in range(count):
        path.write_bytes(damaged(whole, rng))
        choices = CHOICES[number % 3] if "csv" in kind else None
        try:
            one_line(lambda choices=choices: use(path, choices), "data: ")
        except Exception as error:
            error.add_note(f"{kind}, seed {SEED}, damage {number}: {path.read_bytes()[:100]!r}")
            raise


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that was interrupted, one that is finished, and a sweep."""
    folder = tmp_path_factory.mktemp("runs")

    def interrupt(variant, step, steps, index, count):
        if (variant, step) == ("dropout", 5):
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_training, "CHECKPOINT_SECONDS", -1.0)
        with pytest.raises(KeyboardInterrupt):
            training.run(find(TINY), out=folder / "interrupted", on_progress=interrupt)
    training.run(find(TINY), out=folder / "finished")
    sweep = ["compare", TINY, "--only", "plain", "--seeds", "1", "--json", "--device", "cpu", "--workers", "1"]
    assert main([*sweep, "--out", str(folder / "sweep")]) == 0
    return folder


RUN = ["compare", TINY, "--resume", "--json", "--out"]
SWEPT = ["compare", TINY, "--only", "plain", "--seeds", "1", "--json", "--resume", "--out"]
RUNS = {  # the file, how it is damaged, and the command that reads it
    "manifest": ("interrupted/tiny/dropout/checkpoint/step-*.json", damaged, RUN),
    "manifest signed anew": ("interrupted/tiny/dropout/checkpoint/step-*.json", signed_anew, RUN),
    "report in a manifest": ("finished/tiny/plain/checkpoint/step-*.json", signed_anew, RUN),
    "arrays": ("interrupted/tiny/dropout/checkpoint/step-*.npz", damaged, RUN),
    "record": ("interrupted/tiny/dropout/metrics.jsonl", damaged, RUN),
    "record chained anew": ("interrupted/tiny/dropout/metrics.jsonl", chained_anew, RUN),
    "events": ("interrupted/tiny/dropout/numpy/events.*", damaged, RUN),
    "configuration": ("interrupted/tiny/config.toml", damaged, RUN),
    "report": ("sweep/tiny/*/report.json", damaged, SWEPT),
    "report that is JSON": (
        "sweep/tiny/*/report.json",
        lambda data, rng: json.dumps(changed(json.loads(data), rng)).encode(),
        SWEPT,
    ),
}


def answer(capsys, arguments, where):
    """The exit status: a mistake is one line on stderr and nothing else."""
    status = main(arguments)
    output, errors = capsys.readouterr()
    assert status in (0, 1, 2), f"{where}: {errors}"
    if status == 2:
        assert errors.count("\n") == 1, f"{where}: {errors}"
        assert errors.startswith("torchref: "), where
        assert output == "", where
    return status


@pytest.mark.parametrize("count", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
@pytest.mark.parametrize("kind", RUNS)
def test_damaged_runs(kind, count, runs, tmp_path, capsys):
    """Catches a traceback, and status 1, which would mean that a gradient differs."""
    pattern, damage, command = RUNS[kind]
    group = pattern.partition("/")[0]
    rng = np.random.default_rng(SEED)
    for number in range(count):
        out = tmp_path / "out"
        shutil.copytree(runs / group, out)
        (path,) = sorted(out.glob(pattern.partition("/")[2]))[:1]
        path.write_bytes(damage(path.read_bytes(), rng))
        kept = path.read_bytes()
        try:
            answer(capsys, [*command, str(out)], f"{kind}, seed {SEED}, damage {number}")
        except Exception as error:
            error.add_note(f"{kind}, seed {SEED}, damage {number}: {kept[:300]!r}")
            raise
        shutil.rmtree(out)


@pytest.mark.parametrize("count", [20, pytest.param(1_000, marks=pytest.mark.slow)])
def test_damaged_configurations_and_records(count, runs, tmp_path, capsys):
    """Catches a --config, a run that is looked at, and a record that is read, whose damage is a traceback."""
    config = (runs / "finished/tiny/config.toml").read_bytes()
    record = (runs / "finished/tiny/plain/metrics.jsonl").read_bytes()
    rng = np.random.default_rng(SEED)
    for number in range(count):
        where = f"seed {SEED}, damage {number}"
        (tmp_path / "config.toml").write_bytes(damaged(config, rng))
        view.deep_link("http://127.0.0.1:6006", tmp_path)
        words = ["compare", TINY, "--config", str(tmp_path / "config.toml"), "--device", "cpu", "--dry-run"]
        answer(capsys, words, where)
        (tmp_path / "metrics.jsonl").write_bytes((damaged if number % 2 else chained_anew)(record, rng))
        one_line(lambda: read_metrics(tmp_path), str(tmp_path / "metrics.jsonl"))


# --- a user's comparison ----------------------------------------------------------------------------------------------

SOURCE = Path(TINY).read_text(encoding="utf-8")
WORDS = [*sorted(set(re.findall(r"\w+|[^\w\s]", SOURCE))), "None", "[]", "'x'", "-1", "lambda: 0", "3.5"]


def mistyped(source: str, rng: np.random.Generator) -> str:
    """One word of the source gone, doubled, misspelt, or exchanged for another."""
    words = list(re.finditer(r"\w+|[^\w\s]", source))
    word = words[int(rng.integers(0, len(words)))]
    other = ["", word[0] * 2, word[0][::-1], WORDS[int(rng.integers(0, len(WORDS)))]][int(rng.integers(0, 4))]
    return source[: word.start()] + other + source[word.end() :]


@pytest.mark.parametrize("count", [40, pytest.param(2_000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mistyped_comparisons(count, tmp_path, capsys, little_memory, recwarn):
    """Catches a mistake in a user's file whose answer is a traceback, or does not name the file."""
    path, rng = tmp_path / "mine.py", np.random.default_rng(SEED)
    for number in range(count):
        source = mistyped(SOURCE, rng)
        path.write_text(source, encoding="utf-8")
        try:
            answer(capsys, ["compare", str(path), "--dry-run", "--device", "cpu"], f"seed {SEED}, {number}")
        except Exception as error:
            difference = next(line for line in source.splitlines() if line not in SOURCE.splitlines())
            error.add_note(f"seed {SEED}, mistake {number}: {difference}")
            raise
