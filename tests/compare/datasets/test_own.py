"""A user's own data: files written here in the real formats, and every way in which they can be wrong."""

import codecs
import gzip
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from torchref.cli.command_line import main
from torchref.compare.catalogue import find
from torchref.compare.data import Data, Rows
from torchref.compare.datasets.adapt import as_images, as_symbols, as_vectors
from torchref.compare.datasets.own import load
from torchref.compare.datasets.table import Choices
from torchref.compare.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 5, 4), dtype=np.uint8)
LABELS = RNG.integers(0, 3, 20).astype(np.uint8)
PIXELS = RNG.integers(0, 256, (6, 3072), dtype=np.uint8)


def idx(array, code=0x08):
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(folder, packed=False, images=IMAGES, labels=LABELS):
    folder.mkdir(exist_ok=True)
    for part in ("train", "t10k"):
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            data = idx(array)
            name = f"{part}-{kind}-ubyte" + (".gz" if packed else "")
            (folder / name).write_bytes(gzip.compress(data) if packed else data)
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_files(tmp_path, packed):
    """Catches transposed images, and pixels that are not scaled; a plain file stays on disk."""
    data = load(write_mnist(tmp_path, packed))
    assert data.train_inputs.shape == (20, 1, 5, 4)
    np.testing.assert_array_equal(data.train_inputs[:], IMAGES[:, None] / 255)
    np.testing.assert_array_equal(data.train_inputs[[7, 2]], IMAGES[[7, 2], None] / 255)
    np.testing.assert_array_equal(data.validation_targets, LABELS)
    assert data.train_targets.dtype == np.int64
    assert isinstance(data.train_inputs.parts[0], np.memmap) != packed
    alone = load(tmp_path / ("train-images-idx3-ubyte" + (".gz" if packed else "")))
    assert (len(alone.train_inputs), len(alone.validation_inputs)) == (16, 4)


@pytest.mark.parametrize(("code", "kind"), [(0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")])
def test_idx_of_every_type(tmp_path, code, kind):
    """Catches bytes read in the machine's order instead of the file's."""
    array = (100 * RNG.standard_normal((20, 3, 2))).astype(kind)
    write_mnist(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(array, code))
    data = load(tmp_path / "train-images-idx3-ubyte")
    order = np.random.default_rng(0).permutation(20)[4:]
    np.testing.assert_array_equal(data.train_inputs[:], array[order, None])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG....", r"no IDX file: its magic number is 0x89504e47"),
        (b"\0\0\x08", r"magic number is 0x000008"),
        (bytes([0, 0, 0x07, 3]) + bytes(12), r"magic number is 0x00000703"),
        (bytes([0, 0, 8, 3]) + bytes(5), r"cut short in its header, which should be 16 bytes"),
        (idx(IMAGES)[:-3], r"is cut short: shape \(20, 5, 4\) needs 416 bytes, and there are 413"),
        (idx(IMAGES) + b"x", r"is too long: shape \(20, 5, 4\) needs 416 bytes"),
        (idx(IMAGES[:19]), r"has 19 images, but .* 20 labels"),
        (idx(LABELS), r"has 1 dimension; images have at least 2"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_wrong_idx_files(tmp_path, content, message, packed):
    write_mnist(tmp_path, packed)
    name = "train-images-idx3-ubyte" + (".gz" if packed else "")
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(UserError, match=message):
        load(tmp_path)


def test_damaged_gzip_files(tmp_path):
    write_mnist(tmp_path, packed=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    for content, message in (
        (b"plain", "is no IDX file: its magic number is 0x706c6169"),
        (whole[:-20], "cut short or damaged"),
        (whole[:30] + b"\xff" * 9 + whole[39:], "cut short or damaged|cannot read"),
    ):
        path.write_bytes(content)
        with pytest.raises(UserError, match=message):
            load(tmp_path)
    path.write_bytes(whole)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"no labels beside it: there is no train-labels-idx1-ubyte, plain or .gz"):
        load(tmp_path)


def test_places_in_which_mnist_lies(tmp_path):
    """Catches torchvision's folder, an archive's folder of the file's name, and packed files that are called plain."""
    write_mnist_below = tmp_path / "torchvision" / "MNIST"
    write_mnist_below.mkdir(parents=True)
    write_mnist(write_mnist_below / "raw", packed=True)
    folders = tmp_path / "folders"
    for path in write_mnist(tmp_path / "plain").iterdir():
        (folders / path.name).mkdir(parents=True)
        path.rename(folders / path.name / path.name.replace("-idx", ".idx"))
    misnamed = write_mnist(tmp_path / "misnamed", packed=True)
    for path in sorted(misnamed.iterdir()):
        path.rename(path.with_suffix(""))
    for folder in (tmp_path / "torchvision", write_mnist_below, folders, misnamed):
        data = load(folder)
        np.testing.assert_array_equal(data.train_inputs[:], IMAGES[:, None] / 255)
        np.testing.assert_array_equal(data.validation_targets, LABELS)
    write_mnist_below.rename(tmp_path / "torchvision" / "FashionMNIST")
    (tmp_path / "torchvision" / "MNIST").mkdir()
    write_mnist(tmp_path / "torchvision" / "MNIST" / "raw")
    with pytest.raises(UserError, match=r"holds images in .*FashionMNIST.raw and in .*MNIST.raw: name one of them"):
        load(tmp_path / "torchvision")
    (folders / "train-images-idx3-ubyte" / "second").write_bytes(b"x")
    with pytest.raises(UserError, match=r"is a folder of 2 files"):
        load(folders)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (0, 28, 28), (1,) * 65, (20, 2**31, 2**31)])
def test_idx_with_absurd_dimensions(tmp_path, shape, packed):
    """Catches a header that is believed: terabytes allocated, or a number that no array can have."""
    write_mnist(tmp_path, packed)
    content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + b"x" * 50
    name = "train-images-idx3-ubyte" + (".gz" if packed else "")
    (tmp_path / name).write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(UserError, match=r"is cut short|dimensions|is too long"):
        load(tmp_path)


def npy(header):
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "shape", ["(-5, 64)", "(10**12, 64)", "(1000000000000, 64)", "(9223372036854775807, 3)", "(1,) * 99", "((2,), 3)"]
)
def test_npz_headers_that_promise_what_is_not_there(tmp_path, shape, compression):
    """Catches an array that is allocated, or mapped, before anybody has looked whether its bytes are there."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("x.npy", npy(f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n") + bytes(640))
        archive.writestr("y.npy", npy("{'descr': '<i8', 'fortran_order': False, 'shape': (80,)}\n") + bytes(640))
    with pytest.raises(UserError, match=r"a.npz is refused: (x of shape|the header of x is damaged)"):
        load(path)


@pytest.mark.parametrize(("label", "kind"), [(10**12, np.int64), (2**64 - 1, np.uint64), (30_000_000, np.int32)])
def test_labels_of_classes_that_nobody_has(tmp_path, label, kind):
    """Catches a network with an output for each of 1e12 classes, and a label that wraps round to -1."""
    labels = np.arange(50, dtype=kind) % kind(3)
    labels[32] = label
    np.savez(tmp_path / "a.npz", x=RNG.random((50, 6)), y=labels)
    with pytest.raises(UserError, match=str(label)):
        as_vectors(load(tmp_path / "a.npz"))


def cifar_records(labels):
    return b"".join(bytes([label]) + pixels.tobytes() for label, pixels in zip(labels, PIXELS, strict=True))


def test_cifar_binary(tmp_path):
    """Catches planes in the wrong order, and batches that are mixed up."""
    (tmp_path / "data_batch_1.bin").write_bytes(cifar_records([0, 1, 2, 3, 4, 9]))
    (tmp_path / "data_batch_2.bin").write_bytes(cifar_records([5, 1, 2, 3, 4, 9])[: 2 * 3073])
    (tmp_path / "test_batch.bin").write_bytes(cifar_records([1, 1, 1, 1, 1, 8]))
    data = load(tmp_path)
    assert data.train_inputs.shape == (8, 3, 32, 32)
    np.testing.assert_array_equal(data.train_targets, [0, 1, 2, 3, 4, 9, 5, 1])
    np.testing.assert_array_equal(data.train_inputs[[1, 6, 5]], PIXELS[[1, 0, 5]].reshape(-1, 3, 32, 32) / 255)
    assert len(load(tmp_path / "data_batch_1.bin").train_inputs) == 5
    for content, message in (
        (cifar_records([0, 1, 2, 3, 4, 10]), r"label 5 is 10; CIFAR-10 has the labels 0 to 9"),
        (cifar_records([0, 1, 2, 3, 4, 9])[:-1], r"has 18437 bytes, which is no multiple of a record's 3073"),
        (b"", r"has 0 bytes"),
    ):
        (tmp_path / "data_batch_1.bin").write_bytes(content)
        with pytest.raises(UserError, match=message):
            load(tmp_path)


def python2_pickle(pixels, labels):
    """A batch as Python 2's cPickle wrote it: protocol 2, 8-bit strings, numpy.core.multiarray._reconstruct."""
    raw = pixels.tobytes()

    def short(text):
        return b"U" + bytes([len(text)]) + text

    return b"".join(
        [
            b"\x80\x02}(",
            short(b"data")
            + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
            + short(b"b")
            + b"\x87R",
            b"(K\x01K" + bytes([len(pixels)]) + b"M\x00\x0c\x86",
            b"cnumpy\ndtype\n" + short(b"u1") + b"K\x00K\x01\x87R",
            b"(K\x03" + short(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb",
            short(b"labels") + b"]" + b"".join(b"K" + bytes([label]) + b"a" for label in labels),
            b"u.",
        ]
    )


@pytest.mark.parametrize("protocol", ["python 2", 2, 3, 4])
def test_cifar_pickles(tmp_path, protocol):
    """Catches an unpickler that refuses the real files, by whichever Python and NumPy they were written."""
    labels = [0, 1, 2, 3, 4, 9]
    if protocol == "python 2":
        content = python2_pickle(PIXELS, labels)
    else:
        content = pickle.dumps({b"data": PIXELS, b"labels": labels, b"batch_label": b"1 of 5"}, protocol)
    (tmp_path / "data_batch_1").write_bytes(content)
    data = load(tmp_path)
    order = np.random.default_rng(0).permutation(6)
    np.testing.assert_array_equal(data.train_inputs[:], PIXELS[order[1:]].reshape(-1, 3, 32, 32) / 255)
    np.testing.assert_array_equal(data.train_targets, np.array(labels)[order[1:]])
    assert len(load(tmp_path / "data_batch_1").validation_inputs) == 1


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/torchref-was-here",)


class Encoder:
    def __reduce__(self):
        return codecs.decode, (b"x", "latin1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"data": Hostile()}), r"is refused: it would load posix.system, and arrays alone"),
        (pickle.dumps(Encoder()), r"is refused: it would load _codecs.decode"),
        (b"\x80\x02cbuiltins\neval\n.", r"would load builtins.eval"),
        (b"\x80\x02cnumpy\nload\n.", r"would load numpy.load"),
        (b"P7\n.", r"refers to objects outside"),
        (pickle.dumps({"data": np.array([object, None], object)}, 2), r"it would load|arrays? of objects"),
        (pickle.dumps({"data": np.array(["a"])}, 2), r"array of type 'U1'; numbers alone"),
        (pickle.dumps({"data": PIXELS, "labels": [0] * 6}, 2)[:-40], r"cut short or no pickle"),
        (b"", r"cut short or no pickle: EOFError"),
        (pickle.dumps([1]), r"holds a list, not a dict"),
        (pickle.dumps({"data": PIXELS}, 2), r"has no 'labels'; it holds data"),
        (pickle.dumps({"data": 3, "labels": []}), r"data must be uint8 of shape \(N, 3072\), and is no array"),
        (pickle.dumps({"data": PIXELS[:, :9], "labels": []}, 2), r"and is uint8 of shape \(6, 9\)"),
        (pickle.dumps({"data": PIXELS, "labels": [0] * 5}, 2), r"has 6 images, but 5 labels"),
        (pickle.dumps({"data": PIXELS, "labels": ["a"] * 6}, 2), r"labels must be a list of whole numbers"),
        (pickle.dumps({"data": PIXELS, "labels": [0, 0, 0, 0, -1, 0]}, 2), r"label 4 is -1"),
    ],
)
def test_hostile_and_damaged_pickles(tmp_path, content, message):
    """Catches a pickle that gets anything to run: whatever it names is refused before it is called."""
    (tmp_path / "data_batch_1").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load(tmp_path)
    assert not os.path.exists("/tmp/torchref-was-here")


@pytest.mark.parametrize("compressed", [False, True])
def test_npz(tmp_path, compressed):
    """Catches arrays mapped at the wrong place of the file; the large ones of a plain npz stay on disk."""
    save = np.savez_compressed if compressed else np.savez
    x, y = RNG.standard_normal((10, 3)).astype(np.float32), np.arange(10) % 2
    save(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[:4].astype(np.uint8))
    data = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(data.train_inputs[:], x)
    np.testing.assert_array_equal(data.validation_targets, y[:4])
    assert isinstance(data.train_inputs.parts[0], np.memmap) != compressed
    assert data.astype(np.float32).train_inputs[2:4].dtype == np.float32
    save(tmp_path / "b.npz", images=IMAGES, labels=LABELS)
    data = load(tmp_path / "b.npz")
    assert len(data.train_inputs) == 16
    assert data.train_inputs[0].max() <= 1


def test_wrong_npz(tmp_path):
    path = tmp_path / "a.npz"
    x = np.ones((4, 2))
    for arrays, message in (
        ({"x": x, "y": np.array([0, 1, -1, 0])}, r"y\[2\] is -1; labels begin with 0"),
        ({"x": x, "y": np.zeros(3, int)}, r"4 x, but 3 y"),
        ({"x": x, "z": x}, r"holds x, z; it must hold train_inputs"),
        ({"x": np.array([{}, {}]), "y": np.zeros(2)}, r"holds Python objects, and arrays alone are admitted"),
        ({"x": np.array(["a", "b"]), "y": np.zeros(2)}, r"x is <U1 of shape \(2,\), not numbers"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(UserError, match=message):
            load(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"cut short or no npz file"):
        load(path)
    np.savez(path, x=np.array([[1.0], [np.nan]] * 9), y=np.arange(18) % 2)
    with pytest.raises(UserError, match=r"nan or infinity among the values"):
        load(path).train_inputs[:]


def test_csv_with_a_header_and_classes_by_name(tmp_path):
    """Catches a header taken for an example, and a label column that is not the last."""
    path = tmp_path / "iris.csv"
    path.write_text("width;species;length\n" + "".join(f"{i};{'ab'[i % 2]};{i * i}\n" for i in range(10)))
    data = load(path)
    assert data.train_inputs.shape == (8, 2)
    order = np.random.default_rng(0).permutation(10)[2:]
    np.testing.assert_array_equal(data.train_targets, order % 2)
    x = np.stack([order, order**2], axis=1)
    np.testing.assert_allclose(data.train_inputs, (x - x.mean(axis=0)) / x.std(axis=0))


def test_csv_without_a_header_and_with_numbers(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("".join(f"{i},{i % 3},{9 + i % 2}\n" for i in range(10)))
    np.testing.assert_array_equal(np.unique(load(path).train_targets), [0, 1])
    assert load(path, Choices(label="2")).train_targets.max() == 2
    path.write_text("x,target\n" + "".join(f"{i},{i / 4}\n" for i in range(10)))
    data = load(path)
    assert data.train_targets.shape == (8, 1)
    assert data.train_targets.dtype == np.float64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"holds no row"),
        ("a,b\n1,2\n3\n", r"line 3 has 1 columns, the first row 2"),
        ("a,b\n1,2\nx,2\n", r"line 3: a is 'x', no finite number"),
        ("a,b\n1,2\ninf,2\n", r"line 3: a is 'inf', no finite number"),
        ("a,b\n1,2.5\n1,x\n", r"line 3: b is 'x', no finite number"),
        ("a,b\n1,2\n1,nan\n", r"line 3: b, the label, is missing \('nan'\): --missing drop leaves such rows out"),
        ("a,b\n1,p\n1,\n", r"line 3: b, the label, is missing"),
        ("a\n1\n2\n", r"has one column"),
        ("a,b\n1,2\n", r"has 1 rows below its header"),
        ('a,b\n1,"2\n', r"is no CSV file"),
    ],
)
def test_wrong_csv(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        load(path)


def test_csv_names_the_nearest_column(tmp_path):
    (tmp_path / "a.csv").write_text("length,species\n1,a\n2,b\n")
    with pytest.raises(UserError, match=r"has no column 'specie': did you mean 'species'\?"):
        load(tmp_path / "a.csv", Choices(label="specie"))


def test_texts_as_characters_and_as_bytes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("äbc" * 100, encoding="utf-8")
    data = load(path, window=7)
    assert data.train_inputs.max() == 2
    np.testing.assert_array_equal(data.train_inputs[:, 1:], data.train_targets[:, :-1])
    path.write_bytes(b"\xff\x00\x07" * 100)
    data = load(path, window=7)
    assert isinstance(data.train_inputs, Rows)
    assert data.train_inputs.dtype == np.int64
    np.testing.assert_array_equal(data.train_inputs[0], [255, 0, 7, 255, 0, 7, 255])
    np.testing.assert_array_equal(data.train_inputs[:][:, 1:], data.train_targets[:][:, :-1])
    assert as_symbols(data)[1] == {"vocabulary": 256, "length": 7}
    path.write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"has 1 bytes; two windows of 7 need 15"):
        load(path, window=7)


def test_other_paths_are_refused(tmp_path):
    (tmp_path / "a.xls").write_text("x")
    for path, label, message in (
        (tmp_path / "none.npz", None, r"there is no .*none.npz"),
        (tmp_path / "a.xls", None, r"a.xls is none of what can be read: a .npz, .csv"),
        (tmp_path, None, r"holds a.xls; wanted:"),
        (tmp_path / "a.xls", "y", r"label, target, missing, text and drop are a CSV file's"),
    ):
        with pytest.raises(UserError, match=message):
            load(path, Choices(label=label))


def test_adapting_names_what_does_not_fit():
    x, y = np.zeros((6, 16)), np.arange(6) % 3
    data, sizes = as_images(Data(x, y, x, y))
    assert data.train_inputs.shape == (6, 1, 4, 4)
    assert sizes == {"channels": 1, "side": 4, "classes": 3}
    assert as_vectors(data)[1] == {"inputs": 16, "classes": 3}
    halves = y + 0.5
    for adapt, wrong, message in (
        (as_images, Data(x[:, :5], y, x[:, :5], y), r"square images of 4 x 4 .* are wanted.*tables .*rows of numbers"),
        (as_images, Data(x[:, :4], y, x[:, :4], y), r"square images of 4 x 4 .* are wanted.*tables .*rows of numbers"),
        (as_vectors, Data(x, x, x, x), r"a label is wanted as each example's target"),
        (
            as_vectors,
            Data(x, y * 1.0, x, y * 1.0),
            r"regression predicts numbers; for classes .*astype\(numpy.int64\)$",
        ),
        (as_vectors, Data(x, halves, x, halves), r"regression predicts numbers$"),
        (as_vectors, Data(y, y, y, y), r"numbers or pixels are wanted"),
        (as_symbols, Data(x, y, x, y), r"a text is wanted"),
    ):
        with pytest.raises(UserError, match=message):
            adapt(wrong)


def test_compare_on_a_users_own_data(tmp_path, capsys, monkeypatch):
    """Catches sizes that do not follow the data, and a run that cannot be continued on the data it began with."""
    monkeypatch.chdir(tmp_path)
    write_mnist(tmp_path / "mnist")
    arguments = ["compare", "digits", "--only", "both", "--epochs", "2", "--device", "cpu"]
    assert main([*arguments, "--data", "mnist", "--json"]) == 0
    config = (tmp_path / "runs/digits/config.toml").read_text()
    assert 'path = "mnist"' in config
    assert "inputs = 20" in config
    assert main([*arguments, "--resume", "--json"]) == 0
    (tmp_path / "a.csv").write_text("a,b\n1,0\n2,1\n3,0\n4,1\n5,1\n6,0\n7,1\n8,0\n9,1\n10,0\n")
    assert main([*arguments, "--data", "a.csv", "--label", "b", "--dry-run", "--out", "other"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--label", "b", "--out", "other"]) == 2
    assert "label: it is about the file that --data gives" in capsys.readouterr().err
    assert find("digits").adapt is not None


def test_images_and_texts_of_ones_own_fit_their_comparisons(tmp_path, capsys):
    """Catches a network whose sizes do not follow the data, for each kind of data that is no table."""
    (tmp_path / "data_batch_1.bin").write_bytes(cifar_records([0, 1, 2, 3, 4, 9]) * 6)
    (tmp_path / "a.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60)
    arguments = ["--dry-run", "--out", str(tmp_path / "runs"), "--data"]
    assert main(["compare", "images", *arguments, str(tmp_path)]) == 0
    assert "channels = 3" in capsys.readouterr().out
    assert main(["compare", "text", *arguments, str(tmp_path / "a.txt")]) == 0
    assert "vocabulary = 28" in capsys.readouterr().out
    assert main(["compare", "text", *arguments, str(tmp_path)]) == 2
    assert "data: a text is wanted" in capsys.readouterr().err
