"""The page of each level of hints: the user's code with the line, what was found, tiles that can be read."""

import re
import textwrap

import numpy as np
import pytest

from torchref.check import check
from torchref.check.report.tiles import as_images, index, tiles
from torchref.cli.command_line import main

CODE = """
    import numpy as np

    def layer_norm(x, gamma, beta, eps=1e-5):
        std = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
        x_hat = (x - x.mean(axis=-1, keepdims=True)) / std

        def backward(dy):
            dx_hat = dy * gamma
            dx = (dx_hat - dx_hat.mean(axis=-1, keepdims=True)) / std
            return dx, (dy * x_hat).sum(axis=0), dy.sum(axis=0)

        return gamma * x_hat + beta, backward

    def avg_pool2d(x, kernel_size):
        k = kernel_size
        n, c, h, w = x.shape
        rows, columns = (h - k) // k + 1, (w - k) // k + 1
        y = np.zeros((n, c, rows, columns))
        for i in range(rows):
            for j in range(columns):
                y[:, :, i, j] = x[:, :, i * k : i * k + k, j * k : j * k + k].mean((2, 3))

        def backward(dy):
            dx = np.zeros_like(x)
            for i in range(rows):
                for j in range(columns):
                    dx[:, :, i * k : i * k + k, j * k : j * k + k] += dy[:, :, i, j][:, :, None, None]
            return dx

        return y, backward

    def relu(x):
        return np.maximum(x, 0), lambda dy: dy * (dy > 0)
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "code.py"
    path.write_text(textwrap.dedent(CODE).lstrip())
    return path


def page(file, target, *more):
    place = file.parent / "page.html"
    main(["check", f"{file}:{target}", "--html", str(place), *map(str, more)])
    return place.read_text()


def test_every_level_has_a_page_of_its_own(file, capfd):
    """Catches a level that gives away what belongs to the next, or less than it may."""
    pages = [page(file, "layer_norm=layer_norm", "--hints", level) for level in range(4)]
    for what, first in (
        ("WRONG", 0),
        ("std = np.sqrt", 0),
        ("dweight", 1),
        ("dinput (your x)", 1),
        ("variance-path-missing", 2),
        ('class="hit"', 2),
        ("<svg", 2),
        ("Evidence: ", 2),
        ("Instead: ", 3),
        ("Formula:", 3),
        ("Derivation: ", 3),
    ):
        assert [what in text for text in pages] == [level >= first for level in range(4)], what
    links = r'<a href="https://[^>]*>https://[^<]*</a>'  # they ask for nothing by themselves
    assert not any("http" in re.sub(links, "", text) for text in pages)


def test_the_line_is_marked(file, capfd):
    """Catches a mark at another line than the one that makes the gradient, with its number in the file."""
    (marked,) = re.findall(r'<span class="hit"><i> *(\d+)  </i>(.*?)</span>', page(file, "layer_norm=layer_norm"))
    assert int(marked[0]) == 1 + CODE.lstrip().splitlines().index(next(s for s in CODE.splitlines() if " dx = (" in s))
    assert "dinput (your x): variance-path-missing" in marked[1]
    assert "lambda dy" in re.findall(r'<span class="hit">(.*?)</span>', page(file, "relu=relu"))[0]


def test_a_forward_has_no_marked_line(file, capfd):
    """Catches a mark in the backward for a mistake of the forward."""
    assert 'class="hit"' not in page(file, "relu=tanh")


def test_a_gradient_of_images(file, capfd):
    """Catches a 4-d gradient whose images are stacked to one strip, and an index that is not the array's."""
    text = page(file, "avg_pool2d=avg_pool2d")
    assert "images down: N, across: C" in text
    assert "in an image down: H, across: W" in text
    assert "<title>[1, 2, 0, 1] " in text


@pytest.mark.parametrize("shape", [(), (4,), (4, 3), (5, 4, 3), (2, 3, 4, 5), (2, 3, 2, 3, 2)])
def test_tiles_are_the_entries(shape):
    """Catches a tile with the index or the value of another entry."""
    a = np.arange(1.0, np.prod(shape) + 1).reshape(shape)
    images = as_images(a)
    for place in np.ndindex(images.shape):
        assert a[tuple(index(a, place))] == images[place]
    drawn = tiles("it", a, 1.0, tuple("abcde"[: a.ndim]))
    assert drawn.count("<rect") == a.size
    assert sorted(float(v) for v in re.findall(r"<title>\[.*?\] (\S+)</title>", drawn)) == list(a.ravel())


def test_few_tiles_have_their_numbers_in_them():
    """Catches tiles too small to read where there is room, and what is cut off without a word."""
    assert tiles("it", np.full((3, 7), 1.25), 2.0, ("N", "D")).count(">1.25</text>") == 21
    assert "<text" not in tiles("it", np.ones((3, 40)), 2.0, ("N", "D"))
    assert "the first 1 x 1 images, 40 x 3 entries of each" in tiles("it", np.ones((50, 3)), 1.0, ("N", "D"))


def test_a_notebook_shows_it():
    """Catches a verdict that a notebook shows as its repr, or whose style changes the rest of the notebook."""
    shown = check(lambda x: (np.maximum(x, 0), lambda dy: dy * (dy > 0)), against="relu")._repr_html_()
    assert "wrong-mask" in shown
    assert shown.count("<svg") == 3
    style = re.search(r"<style>(.*?)</style>", shown, re.DOTALL)[1]
    rules = re.sub(r"@media[^{]*\{", "", style)
    assert all(".torchref" in part for rule in re.findall(r"([^{}]+)\{", rules) for part in rule.split(","))


def test_tiles_have_the_colours_of_the_tab():
    """Catches signs that are swapped, or told apart by red and green: blue is above zero, orange below."""
    fills = re.findall(r'fill="#(..)(..)(..)"><title', tiles("it", np.array([1.0, -1.0, 0.0, np.nan]), 1.0, ("N",)))
    above, below, zero, missing = ([int(part, 16) for part in fill] for fill in fills)
    assert above[2] > above[0] + 100
    assert below[0] > below[1] > below[2]
    assert zero == [255, 255, 255]
    assert missing == [204, 0, 204]
