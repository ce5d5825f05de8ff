"""Make the manual's pictures of pages anew: trains, and opens TensorBoard, a notebook and the check in Chromium.

python -m tests.screenshots [RUNS [NAME ...]]. What is trained already in the folder RUNS is not trained again; with
names, only those pictures are made. All of it takes about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser.folder import built, served
from tests.chromium import browser
from tests.classroom.solutions import solved

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "manual" / "images"
WIDTH, HEIGHT = 1200, 860  # of a picture, in pixels
GROUNDS, COLOURS = 48, 96  # colours of a picture: frequent ones, and others
SETTLE = 3000  # milliseconds after the last answer of the server, for drawing

TRAININGS = {  # folder -> the words behind `torchref compare`
    "digits": ["digits"],
    "fault/digits": ["digits", "--sabotage", "3"],
    "lessons/gradient_descent": ["gradient_descent"],
    "lessons/dropout": ["dropout"],
    "lessons/batch_norm": ["batch_norm"],
    "lessons/rnn": ["rnn"],
    "sweep/regression": ["regression", "--only", "linear", "--grid", "lr=0.01,0.1", "--seeds", "2"],
}


@dataclass(frozen=True)
class Shot:
    """A picture: of a run, a page of TensorBoard (empty: the one that view opens), and what is done there."""

    name: str
    run: str
    page: str = ""
    prepare: Callable[[Any], None] = lambda page: None
    height: int = HEIGHT
    width: int = WIDTH


def whole_curves(page: Any) -> None:
    """Every point inside its card; and no settings, which take a quarter of the page."""
    page.get_by_label("Ignore outliers in chart scaling").uncheck()
    page.get_by_text("Settings", exact=True).first.click()


def filter_tags(words: str) -> Callable[[Any], None]:
    """Show the cards whose tags have one of these words."""

    def prepare(page: Any) -> None:
        page.locator("tf-tag-filterer input").first.fill(words)

    return prepare


def tab(name: str, variant: str = "") -> Callable[[Any], None]:
    """A page of the tab Backprop."""

    def prepare(page: Any) -> None:
        frame = page.frame_locator("iframe")
        frame.locator("main").wait_for()
        if variant:
            frame.locator("select").select_option(variant)
            frame.locator(f'main[data-variant="{variant}"]').wait_for()
        frame.get_by_role("button", name=name, exact=True).click()

    return prepare


def entry(page: Any) -> None:
    """An entry of the first weight's gradient, as the sum that makes it."""
    tab("Network", "dropout")(page)
    frame = page.frame_locator("iframe")
    frame.locator('[data-keep="thumb 0.weight/gradient"]').click()
    frame.locator('[data-keep="panel NumPy"]').click(position={"x": 40, "y": 60})
    frame.locator(".detail").evaluate("detail => detail.scrollIntoView()")


def circuit(page: Any) -> None:
    """A neuron, forward and backward."""
    tab("Circuits")(page)
    page.frame_locator("iframe").get_by_role("button", name="A sigmoid neuron").click()


SHOTS = (
    Shot("digits-time-series", "digits", prepare=whole_curves, height=1500),
    Shot("digits-images", "digits", "images"),
    Shot("digits-images-layers", "digits", "images", filter_tags("masks|front and behind|running and"), 1300),
    Shot("digits-images-depth", "digits", "images", filter_tags("by depth")),
    Shot("digits-images-examples", "digits", "images", filter_tags("wrong|weights as"), 1560),
    Shot("digits-text", "digits", "text", height=770),
    Shot("sweep-time-series", "sweep/regression", prepare=whole_curves, height=1080, width=1800),
    Shot("sweep-hparams", "sweep/regression", "hparams", width=1800),
    Shot("lesson-gradient-descent", "lessons/gradient_descent", prepare=whole_curves, height=1000),
    Shot("lesson-dropout", "lessons/dropout", prepare=whole_curves, height=1085),
    Shot("lesson-batch-norm", "lessons/batch_norm", prepare=whole_curves, height=960),
    Shot("lesson-rnn", "lessons/rnn", prepare=whole_curves, height=1100),
    Shot("backprop-network", "digits", "backprop", tab("Network", "plain"), 1040, 1740),
    Shot("backprop-entry", "digits", "backprop", entry, 1096),
    Shot("backprop-wave", "digits", "backprop", tab("The wave", "dropout"), 940),
    Shot("backprop-circuits", "digits", "backprop", circuit),
    Shot("backprop-parting", "fault/digits", "backprop", tab("Where the twins part"), 1260),
)


NOTEBOOK = (  # the cells of a notebook, each shown with what it returns
    """import numpy as np
from comparisons.regression import comparison
from torchref import compare
from torchref.check import check

compare.run(comparison)""",
    """def layer_norm(x, weight, bias):
    mean, std = x.mean(-1, keepdims=True), np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    hat = (x - mean) / std

    def backward(dy):
        dhat = dy * weight
        dx = (dhat - dhat.mean(-1, keepdims=True)) / std
        return dx, (dy * hat).sum(0), dy.sum(0)

    return weight * hat + bias, backward

check(layer_norm, against="layer_norm")""",
)


def shoot_notebook(opened: Any, place: Path) -> None:
    """A notebook that is run and made a page: the table of a run, and the verdict on a gradient."""
    import nbformat
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import ExecutePreprocessor

    cells = [nbformat.v4.new_code_cell(cell) for cell in NOTEBOOK]
    book = nbformat.v4.new_notebook(cells=cells)
    ExecutePreprocessor(kernel_name="python3", timeout=600).preprocess(book, {"metadata": {"path": str(place)}})
    for mode in ("light", "dark"):
        exporter = HTMLExporter(theme=mode, exclude_input_prompt=True, exclude_output_prompt=True)
        (place / f"notebook-{mode}.html").write_text(exporter.from_notebook_node(book)[0], "utf-8")
        context = opened.new_context(viewport={"width": WIDTH, "height": 1500}, color_scheme=mode)
        page = context.new_page()
        page.goto((place / f"notebook-{mode}.html").as_uri(), wait_until="domcontentloaded")
        box = page.locator(".finding").last.bounding_box()  # the page ends with what is wrong, not within a line
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + 6}
        save(page.screenshot(full_page=True, clip=clip), IMAGES / f"notebook-{mode}.png")
        context.close()


WRONG = """
dx_hat = dy * weight
dx = (dx_hat - dx_hat.mean(axis=-1, keepdims=True)) / std
return dx, (dy * x_hat).sum(axis=0), dy.sum(axis=0)
"""


def shoot_check(opened: Any, place: Path) -> None:
    """The page that checks in a browser, with a mistake in layer norm found. torchref answers here, not in the page."""
    folder, _ = built(place)
    code = re.sub("(# torchref: .*\n)+\n", "", solved("layer_norm", WRONG))  # a page's exercise has no such lines
    with served(folder) as address:
        for mode in ("light", "dark"):
            context = opened.new_context(viewport={"width": 1560, "height": 1256}, color_scheme=mode)
            page = context.new_page()
            page.goto(f"{address}/index.html")
            page.get_by_label("Exercise").select_option("14. Layer norm")
            page.get_by_label("your code").fill(code)
            page.get_by_role("button", name="A hint").click()
            page.get_by_role("button", name="Check").click()
            page.locator("#verdict [data-arrays] canvas").first.wait_for()
            page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(SETTLE)
            save(page.screenshot(), IMAGES / f"check-in-the-browser-{mode}.png")
            context.close()


def train(runs: Path, folders: set[str]) -> None:
    """Train what is not there of these. The run with the planted fault ends with status 1."""
    for folder, words in TRAININGS.items():
        if folder in folders and not (runs / folder).exists():
            command = [sys.executable, "-m", "torchref", "compare", *words, "--out", str((runs / folder).parent)]
            subprocess.run(command, check="--sabotage" not in words)


@contextmanager
def viewed(runs: Path, run: str) -> Iterator[str]:
    """The link that `torchref view` prints, once all of `run` is read. TensorBoard shows the path as it is given."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "torchref", "view", run, "--port", port, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=runs) as process:
        try:
            assert process.stdout is not None
            link = process.stdout.readline().rpartition(": ")[2].strip()
            there = {path.parent for path in (runs / run).glob("**/events.out.tfevents.*")}
            while len(known_runs(link)) < len(there):
                time.sleep(1)
            asked(link, "plugins_listing")  # at the first question the projector only begins to look for its files
            yield link
        finally:
            process.terminate()  # a process in the background may be deaf to Ctrl-C
            process.communicate()


def known_runs(link: str) -> list[str]:
    """The runs that TensorBoard has read."""
    found: list[str] = asked(link, "runs")
    return found


def asked(link: str, what: str) -> Any:
    """What TensorBoard answers."""
    with urllib.request.urlopen(f"{link.partition('/?')[0]}/data/{what}") as answer:
        return json.loads(answer.read())


def save(png: bytes, path: Path) -> None:
    """With few colours: a page takes a third of the bytes.

    The most frequent ones, of which its grounds are made, stay as they are; the rest lie far apart, so that no curve
    takes another one's colour.
    """
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    counts = sorted(picture.getcolors(picture.width * picture.height), reverse=True)
    grounds = [colour for _, colour in counts[:GROUNDS]]
    rest = Image.new("RGB", (len(counts), 1))
    rest.putdata([colour for _, colour in counts])
    others = rest.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).getpalette()[: 3 * COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(part for colour in grounds for part in colour), *others])
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


def shoot(opened: Any, link: str, shot: Shot) -> None:
    """The picture in light and in dark."""
    for mode in ("light", "dark"):
        context = opened.new_context(viewport={"width": shot.width, "height": shot.height}, color_scheme=mode)
        page = context.new_page()
        page.goto(f"{link.partition('/?')[0]}/#{shot.page}" if shot.page else link)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(SETTLE)
        shot.prepare(page)
        page.wait_for_timeout(SETTLE)
        save(page.screenshot(), IMAGES / f"{shot.name}-{mode}.png")
        context.close()


def main(runs: Path, names: list[str]) -> None:
    """All pictures, or those of these names."""
    shots = [shot for shot in SHOTS if not names or shot.name in names]
    train(runs, {shot.run for shot in shots})
    with browser() as opened:
        for run in dict.fromkeys(shot.run for shot in shots):
            with viewed(runs, run) as link:
                for shot in shots:
                    if shot.run == run:
                        print(shot.name, flush=True)
                        shoot(opened, link, shot)
        for name, shoot_page in (("notebook", shoot_notebook), ("check-in-the-browser", shoot_check)):
            if not names or name in names:
                print(name, flush=True)
                with tempfile.TemporaryDirectory() as place:
                    shoot_page(opened, Path(place))


if __name__ == "__main__":
    words = argparse.ArgumentParser("python -m tests.screenshots", description=__doc__)
    words.add_argument(
        "runs", nargs="?", type=Path, help="the folder of the trainings, which stays; without it, a new one"
    )
    words.add_argument("names", nargs="*", metavar="NAME", help="pictures; without names, all")
    said = words.parse_args()
    if said.runs:
        main(said.runs, said.names)
    else:
        with tempfile.TemporaryDirectory() as place:
            main(Path(place), [])
