"""The tab in a browser, offline: what it shows adds up. Skipped where Chromium or playwright is not installed."""

import re
import signal
import socket
import subprocess
import sys

import pytest
from torch.utils.tensorboard import SummaryWriter

from tests.chromium import CHROMIUM, browser
from tests.compare.record.backprop.kinds import curves, images, losses, norms, sequences
from tests.compare.record.backprop.recorded import read, train_few
from tests.compare.tiny import tiny
from torchref import compare
from torchref.page.circuits import circuits
from torchref.referee.report import Judgement, Report

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
KINDS = [tiny, sequences, images, norms, curves, *losses]
RUNS = 2 + sum(len(kind.variants) for kind in KINDS)  # the variants of `folder`
SECONDS = 60_000  # milliseconds that a busy machine may take


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Variants whose twins are equal, of every kind of layer, one that is sabotaged, and a training in torch alone."""
    out = tmp_path_factory.mktemp("runs")
    compare.run(tiny, out=out)
    for comparison in KINDS[1:]:
        train_few(comparison, out)
    compare.run(tiny, out=out / "wrong", sabotage="4", only="plain")
    compare.run(tiny, out=out / "deep", sabotage="0", only="plain")
    parted = Judgement("w", "parameter", op="addmm", module="2", source="model.py:7", error=0.5, bound=0.001)
    with SummaryWriter(out / "alone") as writer:
        for step, report in enumerate([Report(), Report(parted=[parted]), Report()]):
            report.write(writer, step)
    return out


@pytest.fixture(scope="module")
def address(folder):
    """TensorBoard, as a user starts it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, "-m", "torchref", "view", str(folder), "--port", port, "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert port in process.stdout.readline()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()


@pytest.fixture(scope="module")
def page(address):
    """A page whose errors, and requests to other hosts, are kept."""
    with browser() as started:
        opened = started.new_page(viewport={"width": 1400, "height": 1000})
        opened.set_default_timeout(SECONDS)
        opened.wrong = []
        opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
        opened.on(
            "request",
            lambda asked: None if asked.url.startswith((address, "data:", "blob:")) else opened.wrong.append(asked.url),
        )
        yield opened


@pytest.fixture
def tab(page, address):
    """The tab, as it opens."""
    yield opened(page, address)
    assert page.wrong == []


def opened(page, address):
    while True:  # TensorBoard reads the runs while it answers: without them the tab has no data yet
        page.goto("about:blank")
        page.goto(f"{address}/#backprop")
        inner = page.frame_locator("iframe")
        inner.locator("main").wait_for()
        if inner.locator("option").count() == RUNS:
            return inner


@pytest.fixture
def frame(page, address):
    """Where the tab's modules and data are, whatever the tab shows."""
    found = next((each for each in page.frames if "plugin_entry" in each.url), None)
    if found is None:
        opened(page, address)
        found = next(each for each in page.frames if "plugin_entry" in each.url)
    yield found
    assert page.wrong == []


def choose(tab, variant):
    tab.locator("select").select_option(variant)
    tab.locator(f'main[data-variant="{variant}"]').wait_for()


def open_entry(tab, tag, x=3, y=3):
    tab.locator(f'[data-keep="thumb {tag}"]').first.click()
    tab.locator('[data-keep="panel NumPy"]').click(position={"x": x, "y": y})
    return tab.locator(".entry")


def test_layers_stand_in_order(tab):
    """Catches a strip in the order of the names, and a tensor without a picture."""
    choose(tab, "tiny/dropout")
    heads = tab.locator(".card .head .name").all_inner_texts()
    assert heads == [
        "0: Linear 5 → 7",
        "1: BatchNorm1d",
        "2: ReLU",
        "3: Dropout 0.3",
        "4: Linear 7 → 3",
        "CrossEntropyLoss()",
    ]
    stages = ["weighted sum", "after normalisation", "after the activation", "after dropout", "weighted sum"]
    assert tab.locator(".card .head em").all_inner_texts() == ["the batch", *stages]
    assert tab.locator(".thumb canvas").count() == tab.locator(".thumb").count() > 20


@pytest.mark.parametrize("variant", ["tiny/plain", "tiny/dropout"])
def test_every_sum_adds_up(tab, variant):
    """Catches a formula in the browser that is not the one in the source: entry by entry, every tensor with a sum."""
    choose(tab, variant)
    tags = [
        keep.removeprefix("thumb ")
        for keep in tab.locator(".thumb").evaluate_all("all => all.map(e => e.dataset.keep)")
    ]
    summed = 0
    for tag in tags:
        verdicts = open_entry(tab, tag).locator(".verdict").all_inner_texts()
        summed += len(verdicts)
        assert set(verdicts) <= {"The terms add up to the entry."}, tag
        if tag.endswith(("gradient", "/dy")) and not (tag == "2/dy" and variant == "tiny/dropout"):  # a ReLU's 0
            assert verdicts, f"{tag} has no sum"
    assert summed > 15


# Of a step: {tag: [how many entries have a sum, the largest error beyond the bound as a share of the terms, entries]}.
ENTRIES = """async ([variant, step]) => {
    const here = (name) => new URL(`plugin/backprop/${name}`, location.href);
    const [{ Step, indices }, { explain }] = await Promise.all([import(here("data.js")), import(here("explain.js"))]);
    const found = new Step(await (await fetch(here(`step?variant=${variant}&step=${step}`))).json());
    const errors = {};
    for (const tensor of Object.values(found.tensors)) {
        let [count, largest] = [0, 0];
        for (const index of indices(tensor.kept)) {
            const { groups, missing } = explain(found, tensor.tag, index);
            if (!groups || missing) continue;
            const values = groups.map((group) => group.value ?? group.terms.reduce((sum, { value }) => sum + value, 0));
            const terms = groups.flatMap((group) => group.terms).map(({ value }) => Math.abs(value));
            const apart = Math.abs(values.reduce((a, b) => a + b, 0) - tensor.at(index)) - (tensor.bound ?? 0);
            const error = Math.max(0, apart) / Math.max(terms.reduce((a, b) => a + b, 0), 1e-300);
            [count, largest] = [count + 1, Math.max(largest, Number.isNaN(error) ? Infinity : error)];
        }
        errors[tensor.tag] = [count, largest, tensor.kept.reduce((a, b) => a * b, 1)];
    }
    return errors;
}"""
# Every entry must have a sum: of a weight's gradient, and of what an activation, a recurrence, attention sends back.
ALL_SUMMED = re.compile(r"/gradient$|^(curves|norms)/.*/dy$|: (embedding|other)/dy$")
RESIDUAL = ("encoder.layers.0.norm1/dy",)  # it is added to what a later layer makes, which is no layer's


@pytest.mark.parametrize(
    "variant",
    [f"{kind.name}/{variant}" for kind in KINDS for variant in kind.variants if (kind, variant) != (tiny, "plain")],
)
def test_every_entry_of_every_tensor(frame, variant):
    """Catches a formula that fails at an edge of its tensor: a padded window, a tie, the first time, the last gate."""
    errors = frame.evaluate(ENTRIES, [variant, 2])
    for tag, (count, error, entries) in errors.items():
        if tag not in RESIDUAL:
            assert error < 1e-12, f"{variant}, step 2, {tag}: off by {error:.3g} of its terms"
        if ALL_SUMMED.search(f"{variant}: {tag}"):
            assert count == entries, f"{variant}: {count} of {entries} entries of {tag} have a sum"


def test_an_entrys_numbers_are_the_recorded_ones(tab, folder):
    """Catches rows and columns that are swapped, and digits that are lost."""
    tensors, _ = read(folder)
    choose(tab, "tiny/plain")
    tab.locator('[data-keep="thumb 0.weight/gradient"]').click()
    tab.locator('[data-keep="panel torch"]').focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        tab.locator('[data-keep="panel torch"]').press(key)
    said = dict(row.split("\t") for row in tab.locator(".detail .readout tr").all_inner_texts())
    assert said["entry"] == "0.weight/gradient[2, 1]"
    for name, engine in (("NumPy", "numpy"), ("torch", "torch")):
        assert float(said[name]) == tensors[f"tiny/plain/{engine}", "0.weight/gradient", 1][2, 1]
    assert "Σ_n dy[n, 2] · x[n, 1]" in tab.locator(".entry h3").inner_text()
    assert "linear.py, line" in tab.locator(".derivation p").inner_text()
    assert "dL/dweight_oi = sum_n dy_no x_ni" in tab.locator(".derivation pre").inner_text()


def test_steps_and_phases(tab):
    """Catches a slider that shows another step, and a gradient that is there before the backward."""
    choose(tab, "tiny/plain")
    tab.get_by_role("button", name="forward", exact=True).click()
    assert "later" in tab.locator('[data-keep="thumb 0/dy"]').get_attribute("class")
    assert "later" not in tab.locator('[data-keep="thumb 0/y"]').get_attribute("class")
    tab.get_by_role("button", name="update", exact=True).click()
    assert "later" not in tab.locator('[data-keep="thumb 0/dy"]').get_attribute("class")
    tab.locator('[data-keep="step"]').focus()
    tab.locator('[data-keep="step"]').press("ArrowRight")
    tab.get_by_text("step 2 (2 of 6 recorded)").wait_for()
    tab.get_by_role("button", name="backward", exact=True).click()  # the update is what is left of this step
    tab.locator('[data-keep="play"]').click()
    tab.get_by_text("step 3 (3 of 6 recorded)").wait_for()
    tab.locator('[data-keep="play"]').click()


def test_the_wave(tab):
    """Catches a line that is missing, and a factor that is not the ratio of two norms."""
    choose(tab, "tiny/plain")
    tab.get_by_role("button", name="The wave").click()
    assert tab.locator("polyline").count() == 6
    assert tab.locator("tbody tr").count() >= 5
    rows = [row.split("\t") for row in tab.locator("tbody").first.inner_text().splitlines()]
    factors = [(number, row) for number, row in enumerate(rows) if row[2].startswith("×")]
    assert len(factors) == 4
    for number, row in factors:  # tiny/plain is a chain: its layers stand in their order
        norm, before = float(row[1]), float(rows[number - 1][1])
        assert norm * float(row[2][1:]) == pytest.approx(before, rel=2e-3), (row, rows[number - 1])


def test_every_line_of_the_wave_is_explained(tab):
    """Catches an orange line, or shades of blue, that no legend names."""
    choose(tab, "tiny/plain")
    tab.get_by_role("button", name="The wave").click()
    legend = tab.locator(".legend")
    assert "step 1, chosen with the slider" in legend.inner_text()
    assert "the other steps, from 2 (faint)" in legend.inner_text()  # 1 is the chosen one
    lines = tab.locator("polyline").evaluate_all("all => all.map(line => line.getAttribute('stroke'))")
    said = legend.locator("line").evaluate_all("all => all.map(line => line.getAttribute('stroke'))")
    assert set(lines) <= set(said), (lines, said)


def test_the_terms_that_are_shown_add_up(tab):
    """Catches terms that are out of sight without a word: those that stand there, folded and unfolded, are the sum."""
    choose(tab, "tiny/plain")
    entry = open_entry(tab, "0.weight/gradient")
    group = entry.locator("details").first
    terms, folded = (
        [
            float(text.replace("\u2212", "-"))
            for text in group.locator(":scope > .terms > table > tbody td.number:nth-last-child(2)").all_inner_texts()
        ],
        group.locator(":scope > details.terms > summary strong"),
    )
    rest = float(folded.inner_text()) if folded.count() else 0.0
    assert sum(terms) + rest == pytest.approx(float(group.locator("summary strong").first.inner_text()), rel=2e-2)
    assert group.locator(".terms").first.evaluate("e => e.scrollHeight <= e.clientHeight"), "some are scrolled away"


def test_circuits_are_computed_as_in_python(frame):
    """Catches an operation of the browser that is not torchref.circuit's, forward or backward."""
    for circuit in circuits():
        found = frame.evaluate(
            """async (values) => {
                const circuit = await import(new URL("plugin/backprop/circuit.js", location.href));
                return circuit.compute(values).values;
            }""",
            circuit["values"],
        )
        for ours, theirs in zip(circuit["values"], found, strict=True):
            for name in ("data", "grad"):
                assert theirs[name] == pytest.approx(ours[name], rel=1e-14, abs=1e-300), (
                    circuit["title"],
                    ours["name"],
                )


def test_a_circuits_value_can_be_changed(tab):
    """Catches an input that changes nothing, and a result of the values before."""
    tab.get_by_role("button", name="Circuits").click()
    tab.get_by_role("button", name="A sum and a product").click()
    field = tab.get_by_label("z", exact=True)
    field.fill("10")
    field.press("Enter")
    tab.get_by_text("Result: 30", exact=True).wait_for()  # (-2 + 5) 10


def test_where_the_twins_part(tab):
    """Catches the wrong tensor, a fault that is laid at the formula, and a list without what was equal."""
    choose(tab, "wrong/tiny/plain")
    tab.get_by_role("button", name="Where the twins part").click()
    parted = tab.locator(".order .parted")
    parted.wait_for()
    assert parted.inner_text() == "gradient 4.weight"
    assert tab.locator(".order .equal").count() >= 6
    equal = tab.locator(".order .equal").all_inner_texts()
    assert equal[0] == "output of 0 (Linear)", "a number without the layer it is"
    assert equal[-1] == "gradient of the output of 4 (Linear)"
    assert "They add up to torch's" in tab.locator(".verdict").inner_text()


def test_a_tensor_stands_once_in_the_list(tab):
    """Catches a gradient between two layers that is listed as that of an output and of an input."""
    choose(tab, "deep/tiny/plain")
    tab.get_by_role("button", name="Where the twins part").click()
    tab.locator(".order .parted").wait_for()
    listed = tab.locator(".order li").all_inner_texts()
    names = [f"gradient of the output of {layer}" for layer in ("4 (Linear)", "3 (Dropout)", "2 (ReLU)")]
    assert [name for name in listed if name in names] == names
    assert [name for name in listed if "input of" in name] == [], listed


def test_what_the_referee_said(tab):
    """Catches the last report in place of the one that parts, and marks of Markdown around it."""
    choose(tab, "tiny/plain")
    tab.get_by_role("button", name="Where the twins part").click()
    tab.get_by_text("The referee on alone: 1 of 3 reports part, the first at step 1").wait_for()
    said = tab.locator("pre.report").inner_text()
    assert said.startswith("PARTED")
    assert "first to part: addmm in 2" in said
    assert "```" not in said


def test_every_page_has_a_name(tab, page):
    """Catches a tab that is cut, or out of sight, in a window of the usual width."""
    page.set_viewport_size({"width": 1200, "height": 900})
    tabs = page.locator("[role=tab]")
    ends = page.locator("app-header, mat-toolbar").first.bounding_box()
    names = tabs.all_inner_texts()
    assert {"TIME SERIES", "IMAGES", "TEXT", "BACKPROP"} <= {name.strip().upper() for name in names}
    for name, box in zip(names, [each.bounding_box() for each in tabs.all()], strict=True):
        assert 0 <= box["x"] <= box["x"] + box["width"] <= ends["width"], name
    assert not page.get_by_text("INACTIVE", exact=True).is_visible()
    page.set_viewport_size({"width": 1400, "height": 1000})


def test_dark(tab, page):
    """Catches a tab that stays bright in a dark TensorBoard."""
    colour = "() => getComputedStyle(document.body).backgroundColor"
    frame = next(each for each in page.frames if "plugin_entry" in each.url)
    before = frame.evaluate(colour)
    page.evaluate("() => document.body.classList.toggle('dark-mode')")
    frame.wait_for_function(f"before => ({colour})() !== before", arg=before)
