"""What is recorded can be read back: by TensorBoard's own reader, and in full precision from metrics.jsonl."""

import json
import math
import os
import shutil
import struct
import subprocess
import time

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from torchref.compare.errors import UserError
from torchref.compare.record.events import checksum
from torchref.compare.record.kept import NOTHING, check_record
from torchref.compare.record.metrics import line_hash, read_metrics
from torchref.compare.record.recorder import Recorder, log10_difference


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
    assert checksum(data) == struct.pack("<I", masked_crc32c(data))


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
        recorder.hparams("numpy", {"p": 0.5, "name": "x", "norm": True})
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
    assert {"_hparams_/session_start_info", "_hparams_/session_end_info"} <= set(read.PluginTagToContent("hparams"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["difference", "metrics.jsonl", "numpy", "torch"]


def test_png_is_an_image():
    """A wrong header, filter byte or checksum: the browser would show a broken image."""
    from io import BytesIO

    from PIL import Image

    from torchref.compare.record.events import png

    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(BytesIO(png(pixels)))), pixels)
    assert np.array_equal(np.asarray(Image.open(BytesIO(png(pixels[:, :, :1])))), pixels[:, :, 0])


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


def tear_the_last(data):
    return data[:-9]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (edit_value, "line 1 is damaged"),
        (drop_line, "line 4 is damaged"),
        (swap_lines, "line 1 is damaged"),
        (cut_whole_lines, "closing line is missing"),
        (tear_the_last, "last line is torn"),
    ],
)
def test_damage_is_noticed(tmp_path, damage, message):
    """Each way a file is damaged in practice; TensorBoard's reader would show half of the points and say nothing."""
    record_steps(tmp_path, range(4))
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=message):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    "line", ["{}", "[1]", '{"values": 3}', '{"step": 0, "engine": "numpy", "values": {"a": "x"}}', "{"]
)
def test_a_line_that_somebody_has_added_is_noticed(tmp_path, line):
    """Catches a traceback where a line has its hash and is not what a record holds."""
    text = line.removesuffix("}") + "}"
    (tmp_path / "metrics.jsonl").write_text(f'{text[:-1]}, "chain": "{line_hash("", text)}"}}\n')
    with pytest.raises(UserError, match="line 1 is no record"):
        read_metrics(tmp_path)


def test_missing_file(tmp_path):
    """The message must name the file."""
    with pytest.raises(UserError, match=r"cannot read .*metrics\.jsonl"):
        read_metrics(tmp_path)


def killed(folder, steps=6, noted=3):
    """A record of these steps, cut short; and what a checkpoint behind the step `noted` says of it."""
    recorder = Recorder(folder)
    for step in range(steps):
        for engine in ("numpy", "torch"):
            recorder.scalars(engine, {"training/loss": 1 / (step + 3), "lr": 0.1}, step)
        recorder.scalar("difference", "training/loss", -20.0, step)
        if step == noted:
            kept = json.loads(json.dumps(recorder.flush()))
    recorder.close(finished=False)
    return kept


def tear(path, torn):
    os.truncate(path, path.stat().st_size - torn)


@pytest.mark.parametrize("torn", [0, 1, 40])
def test_resume_takes_back_what_came_later(tmp_path, torn):
    """After a kill: the torn line is cut off, later steps are taken back from both records, and the file ends up the
    same as an uninterrupted run's."""
    record_steps(tmp_path / "whole", range(8))
    kept = killed(tmp_path / "killed")
    path = tmp_path / "killed" / "metrics.jsonl"
    tear(path, torn)
    tear(next((tmp_path / "killed" / "numpy").iterdir()), torn)

    record_steps(tmp_path / "killed", range(4, 8), kept=kept)
    assert read_metrics(tmp_path / "killed") == read_metrics(tmp_path / "whole")
    assert path.read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    for engine in ("numpy", "torch", "difference"):
        both = [events(tmp_path / run / engine).Scalars("training/loss") for run in ("killed", "whole")]
        assert [(p.step, p.value) for p in both[0]] == [(p.step, p.value) for p in both[1]]


class Accumulator:
    """TensorBoard's reader of one run, as scripts use it."""

    def __init__(self, folder):
        self.reader = EventAccumulator(str(folder / "numpy"), size_guidance={"scalars": 0})

    def steps(self, last):
        self.reader.Reload()
        return [point.step for point in self.reader.Scalars("training/loss")]

    def close(self):
        pass


class Multiplexer:
    """The reader behind TensorBoard's pages: a watcher of folders."""

    def __init__(self, folder):
        self.reader = EventMultiplexer(tensor_size_guidance={"scalars": 0})
        self.folder = folder

    def steps(self, last):
        self.reader.AddRunsFromDirectory(str(self.folder))
        self.reader.Reload()
        return [point.step for point in self.reader.Tensors("numpy", "training/loss")]

    def close(self):
        pass


class DataServer:
    """The reader in a process of its own that TensorBoard prefers where it is installed."""

    def __init__(self, folder):
        from tensorboard.data import grpc_provider, server_ingester
        from tensorboard.util.grpc_util import ChannelCredsType

        server = pytest.importorskip("tensorboard_data_server")
        port = folder.parent / "port"
        port.unlink(missing_ok=True)
        options = [f"--logdir={folder}", "--reload=1", "--samples-per-plugin=scalars=all", "--port=0"]
        self.process = subprocess.Popen([server.server_binary(), *options, f"--port-file={port}"])
        while not port.exists() or not port.read_text().endswith("\n"):
            assert self.process.poll() is None
            time.sleep(0.01)
        address = f"localhost:{int(port.read_text())}"
        self.stub = server_ingester._make_stub(address, ChannelCredsType.LOCAL)
        self.provider = grpc_provider.GrpcDataProvider(address, self.stub)

    def steps(self, last):
        """What it holds once it has seen the step `last`: it reads by itself, once a second."""
        from tensorboard import context

        steps = []
        while not steps or steps[-1] != last:
            time.sleep(0.01)
            found = self.provider.read_scalars(
                context.RequestContext(), experiment_id="", plugin_name="scalars", downsample=1000
            )
            steps = [point.step for point in found.get("numpy", {}).get("training/loss", [])]
        return steps

    def close(self):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("reader", [Accumulator, Multiplexer, DataServer])
def test_no_reader_shows_a_step_twice_after_a_resume(tmp_path, reader, live):
    """Catches steps that a page shows twice, whether it was opened after the resume or has seen what is taken back."""
    folder = tmp_path / "run"
    kept = killed(folder)
    pages = [reader(folder)] if live else []
    try:
        if live:
            assert pages[0].steps(last=5) == list(range(6))
        record_steps(folder, range(4, 8), kept=kept)
        pages.append(reader(folder))
        for page in pages:
            assert page.steps(last=7) == list(range(8))
    finally:
        for page in pages:
            page.close()


def cut_lines(path):
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def of_another_run(path):
    """A whole record, but not this one."""
    record_steps(path.parents[1] / "other", range(1, 9))
    path.write_bytes((path.parents[1] / "other" / "metrics.jsonl").read_bytes())


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("metrics.jsonl", cut_lines, r"metrics\.jsonl has lost lines: it holds 5 of the 12 it had"),
        ("metrics.jsonl", remove, r"cannot read .*metrics\.jsonl"),
        ("metrics.jsonl", empty, r"metrics\.jsonl has lost lines: it holds 0 of the 12 it had"),
        ("metrics.jsonl", flip_a_bit, r"metrics\.jsonl: line \d is damaged"),
        ("metrics.jsonl", lambda path: path.write_bytes(edit_value(path.read_bytes())), r"line 1 is damaged"),
        ("metrics.jsonl", of_another_run, r"metrics\.jsonl is the record of another run"),
        ("torch", remove, r"cannot read .*torch/events"),
        ("torch", empty, r"torch/events.* has lost events: it holds 0 of the \d+ bytes it had"),
        ("torch", lambda path: tear(path, 150), r"torch/events.* has lost events"),
        ("torch", flip_a_bit, r"torch/events.* is damaged"),
    ],
)
@pytest.mark.parametrize("finished", [False, True])
def test_a_record_that_has_lost_what_a_checkpoint_noted_is_refused(tmp_path, file, damage, message, finished):
    """Catches a run that goes on behind a record that is short for ever; nothing may be touched before the message."""
    folder = tmp_path / "run"
    kept = killed(folder)
    if finished:
        with Recorder(folder, kept=kept) as recorder:
            recorder.scalar("numpy", "training/loss", 1.0, 9)
        kept = recorder.kept()
        message = message.replace("12", "14")
    damage(folder / file if file == "metrics.jsonl" else sorted((folder / file).iterdir())[0])
    before = {path: path.read_bytes() for path in folder.glob("**/*") if path.is_file()}
    with pytest.raises(UserError, match=message) as caught:
        check_record(folder, kept, finished)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=message):
        Recorder(folder, kept=kept)
    assert before == {path: path.read_bytes() for path in folder.glob("**/*") if path.is_file()}


def test_what_was_written_to_after_the_run_is_noticed(tmp_path):
    """Catches lines behind the closing one, in either kind of file."""
    record_steps(tmp_path, range(4))
    with Recorder(tmp_path / "run") as recorder:
        recorder.scalar("numpy", "loss", 1.0, 0)
    kept = recorder.kept()
    check_record(tmp_path / "run", kept, finished=True)
    for path in [tmp_path / "run" / "metrics.jsonl", next((tmp_path / "run" / "torch").iterdir())]:
        data = path.read_bytes()
        path.write_bytes(data + b"x")
        check_record(tmp_path / "run", kept)
        with pytest.raises(UserError, match="written to after the run"):
            check_record(tmp_path / "run", kept, finished=True)
        path.write_bytes(data)


def test_flush_syncs_what_it_notes(tmp_path, monkeypatch):
    """Catches a checkpoint, which is on the disk, of a record that a power cut has lost."""
    synced, fsync = set(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.add(os.fstat(file).st_ino), fsync(file)))
    with Recorder(tmp_path) as recorder:
        recorder.scalar("numpy", "loss", 1.0, 0)
        recorder.flush()
        assert synced == {path.stat().st_ino for path in tmp_path.glob("**/*") if path.is_file()}


def test_a_start_over_takes_all_back(tmp_path):
    """A run that was killed before its first checkpoint: nothing of it may stay."""
    killed(tmp_path)
    record_steps(tmp_path, range(3), kept=NOTHING)
    assert [step for step, _ in read_metrics(tmp_path)["numpy"]["training/loss"]] == [0, 1, 2]
    assert [point.step for point in events(tmp_path / "numpy").Scalars("training/loss")] == [0, 1, 2]


@pytest.mark.parametrize("what", ["folder", "metrics.jsonl", "replaced"])
def test_a_record_that_is_removed_is_missed_at_once(tmp_path, what):
    """Catches a run that writes for hours into files that have no name any more."""
    folder = tmp_path / "run"

    def record():
        with Recorder(folder) as recorder:
            for step in range(9):
                if step == 3:
                    shutil.rmtree(folder) if what == "folder" else (folder / "metrics.jsonl").unlink()
                    if what == "replaced":
                        (folder / "metrics.jsonl").write_text("")
                recorder.scalar("numpy", "loss", 1.0, step)
                last.append(step)

    last = []
    with pytest.raises(UserError, match=r"metrics\.jsonl was removed, or replaced, while the run was writing it"):
        record()
    assert last[-1] == 2


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    """Catches a traceback, and a second error from closing the files, that hides the first."""
    recorder = Recorder(tmp_path)
    for file in (recorder._metrics, *recorder._events.values()):
        file.close()
        file._file = open("/dev/full", "wb")  # noqa: SIM115
        monkeypatch.setattr(file, "check_there", lambda: None)

    def record():
        with recorder:
            recorder.scalar("numpy", "loss", 1.0, 0)
            recorder.flush()

    with pytest.raises(UserError, match=r"cannot write .*metrics\.jsonl: No space left on device"):
        record()


def test_an_embedding_on_a_full_disk_is_one_line(tmp_path):
    """Catches a traceback from the projector's files, which are no event files."""
    with Recorder(tmp_path) as recorder:
        (tmp_path / "numpy" / "code.tsv").symlink_to("/dev/full")
        with pytest.raises(UserError, match=r"cannot write .*numpy: No space left on device"):
            recorder.embedding("numpy", "code", np.zeros((3, 2)), "abc")


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
