"""What is recorded can be read back: by TensorBoard's own reader, and in full precision from metrics.jsonl."""

import math
import os
import struct

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from torchref.compare.errors import UserError
from torchref.compare.record.recorder import Recorder, _checksum, log10_difference, read_metrics


def events(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
    accumulator.Reload()
    return accumulator


def record_steps(folder, steps, **options):
    with Recorder(folder, **options) as recorder:
        for step in steps:
            for engine in ("numpy", "torch"):
                recorder.scalars(engine, {"training/loss": 1 / (step + 3), "lr": 0.1}, step)
            recorder.scalar("difference", "training/loss", log10_difference(0.0), step)


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 1023, 1024, 1025, 1027, 5000])
def test_checksum_equals_tensorboards(size):
    """A wrong block boundary: TensorBoard would drop the record as corrupt."""
    data = np.random.default_rng(0).bytes(size)
    assert _checksum(data) == struct.pack("<I", masked_crc32c(data))


def test_scalars_read_back(tmp_path):
    """Lost, doubled or misplaced points in either of the two records, and rounding in the one that must be exact."""
    record_steps(tmp_path / "plain", range(5))
    for engine in ("numpy", "torch"):
        points = events(tmp_path / "plain" / engine).Scalars("training/loss")
        assert [(p.step, p.value) for p in points] == [(s, float(np.float32(1 / (s + 3)))) for s in range(5)]
    assert [p.value for p in events(tmp_path / "plain" / "difference").Scalars("training/loss")] == [-20.0] * 5
    metrics = read_metrics(tmp_path / "plain")
    assert metrics["numpy"]["training/loss"] == [(step, 1 / (step + 3)) for step in range(5)]
    assert metrics["numpy"].keys() == {"training/loss", "lr"}


def test_nan_and_inf_are_kept(tmp_path):
    """A diverged training must still be recorded, in JSON that any reader reads."""
    with Recorder(tmp_path) as recorder:
        recorder.scalars("numpy", {"a": math.nan, "b": math.inf, "c": np.float32(1.5)}, 0)
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()
    values = read_metrics(tmp_path)["numpy"]
    assert math.isnan(values["a"][0][1])
    assert values["b"] == [(0, math.inf)]
    assert values["c"] == [(0, 1.5)]


def test_other_kinds_read_back(tmp_path):
    """Histogram counts and edges, the image's pixels, the text, and hparams without a child run."""
    with Recorder(tmp_path) as recorder:
        assert recorder.histogram("numpy", "weights", np.linspace(-1, 2, 301), 3)
        assert recorder.histogram("numpy", "constant", np.full(7, 2.0, dtype=np.float32), 3)
        assert recorder.histogram("numpy", "close", np.array([1.0, np.nextafter(1.0, 2.0)]), 3)
        assert recorder.histogram("numpy", "far", np.array([-1e308, 1e308]), 3)
        assert recorder.histogram("numpy", "subnormal", np.array([0.0, 5e-324]), 3)
        recorder.image("numpy", "gray", np.linspace(0, 1, 12).reshape(3, 4), 3)
        recorder.image("numpy", "colour", np.zeros((3, 4, 3), dtype=np.uint8), 3)
        recorder.text("numpy", "config", "# title", 0)
        recorder.hparams("numpy", {"p": 0.5, "name": "x", "norm": True}, {"final/loss": 0.25}, 9)
    read = events(tmp_path / "numpy")
    weights = read.Histograms("weights")[0].histogram_value
    assert (weights.min, weights.max, weights.num, sum(weights.bucket)) == (-1.0, 2.0, 301, 301)
    assert weights.bucket_limit[-1] == 2.0
    assert read.Histograms("constant")[0].histogram_value.bucket[-1] == 7
    for tag in ("close", "far", "subnormal"):
        assert sum(read.Histograms(tag)[0].histogram_value.bucket) == 2
    image = read.Images("gray")[0]
    assert (image.width, image.height) == (4, 3)
    assert image.encoded_image_string.startswith(b"\x89PNG")
    assert read.Tensors("config")[0].tensor_proto.string_val == [b"# title"]
    assert read.Scalars("final/loss")[0].step == 9
    assert {"_hparams_/session_start_info", "_hparams_/session_end_info"} <= set(read.PluginTagToContent("hparams"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["difference", "metrics.jsonl", "numpy", "torch"]


def test_png_is_an_image():
    """A wrong header, filter byte or checksum: the browser would show a broken image."""
    from io import BytesIO

    from PIL import Image

    from torchref.compare.record.recorder import _png

    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(BytesIO(_png(pixels)))), pixels)
    assert np.array_equal(np.asarray(Image.open(BytesIO(_png(pixels[:, :, :1])))), pixels[:, :, 0])


@pytest.mark.parametrize(
    ("array", "written"), [(np.zeros(0), False), (np.full(3, np.nan), False), (np.array([1.0, np.inf, 2.0]), True)]
)
def test_histogram_of_what_cannot_be_drawn(tmp_path, array, written):
    """An empty or non-finite tensor must neither raise (torch's add_histogram does) nor vanish silently."""
    with Recorder(tmp_path) as recorder:
        assert recorder.histogram("torch", "gradient", array, 4) is False
        assert "'gradient' at step 4" in recorder.notes[0]
    read = events(tmp_path / "torch")
    assert ("gradient" in read.Tags()["histograms"]) is written
    assert b"gradient" in read.Tensors("notes")[0].tensor_proto.string_val[0]


def test_wrong_use_is_refused(tmp_path):
    """An unknown engine would otherwise surface a step later; an image of the wrong rank inside TensorBoard."""
    with Recorder(tmp_path) as recorder:
        with pytest.raises(KeyError, match="nunpy"):
            recorder.scalar("nunpy", "loss", 1.0, 0)
        with pytest.raises(ValueError, match=r"\(2, 3, 4\)"):
            recorder.image("numpy", "x", np.zeros((2, 3, 4)), 0)
    with pytest.raises(UserError, match=r"metrics\.jsonl is already there"):
        Recorder(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot record in"):
        Recorder(tmp_path / "file" / "variant")


def edit_value(data):
    return data.replace(b'"lr": 0.1', b'"lr": 0.2', 1)


def drop_line(data):
    lines = data.splitlines(keepends=True)
    return b"".join(lines[:3] + lines[4:])


def swap_lines(data):
    lines = data.splitlines(keepends=True)
    return b"".join([lines[1], lines[0], *lines[2:]])


def cut_whole_lines(data):
    return b"".join(data.splitlines(keepends=True)[:-2])


def tear(data):
    return data[:-9]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit_value, "line 1 is damaged"),
        (drop_line, "line 4 is damaged"),
        (swap_lines, "line 1 is damaged"),
        (cut_whole_lines, "closing line is missing"),
        (tear, "last line is torn"),
    ],
)
def test_damage_is_noticed(tmp_path, damage, message):
    """Each way a file is damaged in practice; TensorBoard's reader would show half of the points and say nothing."""
    record_steps(tmp_path, range(4))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=message):
        read_metrics(tmp_path)


def test_missing_file(tmp_path):
    """The message must name the file."""
    with pytest.raises(UserError, match=r"cannot read .*metrics\.jsonl"):
        read_metrics(tmp_path)


@pytest.mark.parametrize("torn", [0, 1, 40])
def test_resume_takes_back_what_came_later(tmp_path, torn):
    """After a kill: the torn line is cut off, later steps are purged from both records, and the file ends up the same
    as an uninterrupted run's."""
    record_steps(tmp_path / "whole", range(8))
    recorder = Recorder(tmp_path / "killed")
    for step in range(6):
        for engine in ("numpy", "torch"):
            recorder.scalars(engine, {"training/loss": 1 / (step + 3), "lr": 0.1}, step)
        recorder.scalar("difference", "training/loss", -20.0, step)
    recorder.close(finished=False)
    path = tmp_path / "killed" / "metrics.jsonl"
    os.truncate(path, path.stat().st_size - torn)
    event_file = next((tmp_path / "killed" / "numpy").iterdir())
    os.truncate(event_file, event_file.stat().st_size - torn)

    record_steps(tmp_path / "killed", range(4, 8), purge_step=4)
    assert read_metrics(tmp_path / "killed") == read_metrics(tmp_path / "whole")
    assert path.read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    for engine in ("numpy", "torch", "difference"):
        both = [events(tmp_path / run / engine).Scalars("training/loss") for run in ("killed", "whole")]
        assert [(p.step, p.value) for p in both[0]] == [(p.step, p.value) for p in both[1]]


def test_resume_refuses_other_damage(tmp_path):
    """Only a kill's torn last line may be repaired in silence."""
    record_steps(tmp_path, range(4))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(edit_value(path.read_bytes()))
    with pytest.raises(UserError, match="line 1 is damaged"):
        Recorder(tmp_path, purge_step=2)


def test_a_failed_run_is_not_finished(tmp_path):
    """An exception inside the context must not leave a record that looks complete."""

    def fail():
        with Recorder(tmp_path) as recorder:
            recorder.scalar("numpy", "loss", 1.0, 0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(UserError, match="closing line"):
        read_metrics(tmp_path)
    assert read_metrics(tmp_path, finished=False)["numpy"]["loss"] == [(0, 1.0)]


def test_log10_difference():
    """Zero has no logarithm, and nan must not look like agreement."""
    assert log10_difference(0.0) == -20.0
    assert log10_difference(-1e-3) == pytest.approx(-3)
    assert log10_difference(1e-30) == -20.0
    assert math.isnan(log10_difference(math.nan))


def test_embeddings_as_the_projector_reads_them(tmp_path):
    """Points, labels and images out of order or misplaced in the sheet: a neighbour that is none."""
    from google.protobuf import text_format
    from PIL import Image
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    rng = np.random.default_rng(0)
    points, images = rng.standard_normal((5, 3)), rng.random((5, 2, 4))
    with Recorder(tmp_path) as recorder:
        recorder.embedding("numpy", "the code", points, list("abcde"), images)
        recorder.embedding("numpy", "inputs", points[:, :2], range(5))
        recorder.embedding("numpy", "colours", points, range(5), np.stack([images, 0 * images, 0 * images], axis=3))
        with pytest.raises(ValueError, match="'short' must have shape"):
            recorder.embedding("numpy", "short", points, "abc")
    folder = tmp_path / "numpy"
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    code, inputs, colours = config.embeddings
    red = np.asarray(Image.open(folder / colours.sprite.image_path))
    assert (code.tensor_name, inputs.tensor_name) == ("the code", "inputs")
    np.testing.assert_allclose(np.loadtxt(folder / code.tensor_path), points, rtol=1e-5)
    assert (folder / code.metadata_path).read_text().split() == list("abcde")
    assert list(code.sprite.single_image_dim) == [4, 2]
    sheet = np.asarray(Image.open(folder / code.sprite.image_path))
    assert sheet.shape == (3 * 2, 3 * 4)
    for i, image in enumerate(images):
        row, column = divmod(i, 3)
        np.testing.assert_array_equal(sheet[2 * row : 2 * row + 2, 4 * column : 4 * column + 4], np.rint(255 * image))
    np.testing.assert_array_equal(red[..., 0], sheet)
    assert not red[..., 1:].any()
