"""Pages opened from a disk, offline, in Chromium. Skipped where Chromium or playwright is not installed."""

import pytest

from tests.chromium import CHROMIUM, browser
from tests.compare.record.backprop.recorded import read, train_few
from tests.compare.tiny import tiny
from torchref.cli.command_line import main
from torchref.compare.record.backprop.browser import packed
from torchref.page import inline
from torchref.page.circuits import circuits

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def page():
    with browser() as started:
        context = started.new_context(offline=True)
        opened = context.new_page()
        opened.set_default_timeout(60_000)
        opened.wrong = []
        opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
        opened.on("console", lambda said: opened.wrong.append(said.text) if said.type == "error" else None)
        yield opened


@pytest.fixture
def show(page, tmp_path):
    """Open a file with this text, and hold that nothing went wrong in it."""

    def opened(text):
        file = tmp_path / "page.html"
        file.write_text(text)
        page.goto(file.as_uri())
        return page

    yield opened
    assert page.wrong == []


def embedded(code):
    return f'<!doctype html><meta charset="utf-8">{inline.head()}<div id="here"></div>{inline.script(code)}'


def test_the_circuit_player(show):
    """Catches a player that needs TensorBoard, a server, or a file beside the page."""
    here = 'document.getElementById("here")'
    code = f'import {{ circuitPlayer }} from "torchref/embed.js"; circuitPlayer({here}, {inline.as_json(circuits())});'
    page = show(embedded(code))
    page.get_by_role("button", name="A sum and a product").click()
    field = page.get_by_label("z", exact=True)
    field.fill("10")
    field.press("Enter")
    page.get_by_text("Result: 30", exact=True).wait_for()


def packed_step(folder, n):
    """A recorded step of the variant "plain", as the plugin answers it."""
    tensors, structures = read(folder)
    entries = {
        engine: {tag: array for (run, tag, step), array in tensors.items() if (run, step) == (f"plain/{engine}", n)}
        for engine in ("numpy", "torch")
    }
    return packed(structures["plain/numpy", n], entries)


def test_the_network_view(show, tmp_path):
    """Catches a view that needs the plugin's routes, and a step that it does not find."""
    train_few(tiny, tmp_path, steps=3)
    steps = {"plain": [packed_step(tmp_path / "tiny", n) for n in (1, 2, 3)]}
    here = 'document.getElementById("here")'
    code = f'import {{ networkView }} from "torchref/embed.js"; networkView({here}, {inline.as_json(steps)});'
    page = show(embedded(code))
    page.locator('[data-keep="thumb 0.weight/gradient"]').click()
    page.locator('[data-keep="panel torch"]').click(position={"x": 3, "y": 3})
    page.get_by_text("The terms add up to the entry.").wait_for()
    page.locator('[data-keep="step"]').focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("step 2 (2 of 3 recorded)").wait_for()
    assert not page.get_by_role("button", name="Circuits").is_visible()  # it was given none


def test_the_page_of_check(show, tmp_path, capfd):
    """Catches pictures that cannot be opened, and an entry that is not the gradient's."""
    code = tmp_path / "mine.py"
    code.write_text("import numpy as np\n\ndef relu(x):\n    return np.maximum(x, 0), lambda dy: 2 * dy * (x > 0)\n")
    assert main(["check", f"{code}:relu=relu", "--html", str(tmp_path / "verdict.html")]) == 1
    page = show((tmp_path / "verdict.html").read_text())
    picture = page.locator('[data-keep="panel reference"]').first
    picture.focus()
    picture.press("ArrowRight")
    rows = dict(row.split("\t") for row in page.locator(".readout").first.locator("tr").all_inner_texts())
    assert rows["entry"].endswith("[0, 1]")
    assert float(rows["mine"]) == pytest.approx(2 * float(rows["reference"]), rel=1e-12)
    assert not page.locator("svg").count()  # what stands there without scripts has made room
