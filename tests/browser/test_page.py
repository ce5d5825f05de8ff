"""The page in a browser, with a stand-in for Pyodide: a verdict comes, in time or not. Skipped without Chromium."""

import re
import shutil

import pytest

from tests.browser.folder import built, served
from tests.classroom.solutions import solved

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
SECONDS = 60_000  # milliseconds that a busy machine may take
LOOP = "def relu(x):\n    while True:\n        pass\n"
MARKUP = """import numpy as np
def f(x):  # <img src=x onerror=alert(1)>
    return np.where(x > 0, x, 0.2 * x), lambda dy: dy
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder, _ = built(tmp_path_factory.mktemp("page"))
    with served(folder) as at:
        yield at


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """The page, as a first visitor sees it; an error, or a request to another host, fails the test."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(SECONDS)
    playwright.expect.set_options(timeout=SECONDS)
    wrong = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    context.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else wrong.append(asked.url))
    opened.goto(f"{address}/index.html")
    playwright.expect(opened.locator("#exercise option")).to_have_count(21)
    yield opened
    context.close()
    assert not wrong


def says(page, words):
    playwright.expect(page.locator("#status")).to_contain_text(re.compile(words), timeout=SECONDS)


def write(page, code):
    page.get_by_label("your code").fill(code)


def test_it_says_what_it_loads(page):
    """Catches a visitor who does not know what is loaded, how much of it, and when it is there."""
    says(page, r"Python is there, after [\d.]+ s\.")
    playwright.expect(page.locator("#about")).to_contain_text("MB, all of it from here")


def test_a_student_gets_a_verdict(page):
    """Catches a verdict that does not come, a line that is not marked, and an exercise that is not ticked off."""
    page.get_by_role("button", name="Check").click()
    says(page, "Not judged")
    playwright.expect(page.locator("#verdict")).to_contain_text("it is not done yet: backward (line 10) is still empty")
    write(page, solved("relu").replace("return dy", "return -dy"))
    page.get_by_role("button", name="Check").click()
    says(page, "Wrong")
    playwright.expect(page.locator("#verdict")).to_contain_text("wrong-sign")
    playwright.expect(page.locator("#verdict [data-arrays] canvas").first).to_be_visible()
    marked = page.locator(".editor .hit")
    assert solved("relu").splitlines()[int(marked.inner_text()) - 1].strip() == "return dy * (x > 0)"
    page.get_by_label("The answer says").select_option("right or wrong")
    page.get_by_role("button", name="Check").click()
    playwright.expect(marked).to_have_count(0)
    playwright.expect(page.locator("#verdict")).not_to_contain_text("wrong-sign")
    write(page, solved("relu"))
    page.get_by_role("button", name="Check").click()
    says(page, "Right")
    playwright.expect(page.locator("#exercise option").first).to_have_text("✓ 1. ReLU")


def test_what_was_written_is_still_there(page):
    """Catches work that is lost when another exercise is opened, or the page loaded anew."""
    write(page, "# mine\n")
    page.get_by_label("Exercise").select_option("2. Leaky ReLU")
    assert "leaky_relu" in page.get_by_label("your code").input_value()
    page.reload()
    page.get_by_label("Exercise").select_option("1. ReLU")
    assert page.get_by_label("your code").input_value() == "# mine\n"
    page.get_by_role("button", name="Start again").click()
    assert "def relu(x)" in page.get_by_label("your code").input_value()


def test_what_it_computes_is_still_there(page):
    """Catches code that is kept, and is judged against another operation after the page was loaded anew."""
    page.get_by_label("Exercise").select_option("a function of your own")
    page.get_by_label("computes").fill("leaky_relu(negative_slope=0.2)")
    page.locator("#name").fill("f")
    page.get_by_label("The answer says").select_option("the correction")
    page.reload()
    playwright.expect(page.locator("#exercise option")).to_have_count(21)
    assert page.get_by_label("computes").input_value() == "leaky_relu(negative_slope=0.2)"
    assert page.locator("#name").input_value() == "f"
    assert page.get_by_label("The answer says").input_value() == "3"


def test_an_answer_runs_no_script(page):
    """Catches code that answers in the judge's place, and whose answer the page then runs."""
    html = "<img src=x onerror=\"document.title='run'\"><p>said</p>"
    said = {"status": 0, "html": html, "lines": {}, "seconds": 0, "against": "relu", "text": ""}
    page.context.route("**/answer", lambda route: route.fulfill(json=said))
    page.get_by_role("button", name="Check").click()
    playwright.expect(page.locator("#verdict p")).to_have_text("said")
    page.wait_for_timeout(300)
    assert page.title() == "Is this gradient right?"


def test_prints_are_cut(page):
    """Catches a check that ends after a minute since each line that the code prints goes through the page."""
    shown = []
    page.on("console", lambda message: shown.append(message.text))
    says(page, "Python is there")
    write(page, f"# print 30000 lines\n{solved('relu')}")
    page.get_by_role("button", name="Check").click()
    says(page, "Right")
    printed = [text for text in shown if "printed" in text]
    assert 0 < len(printed) < 5000


def test_hints_come_one_by_one(page):
    """Catches a hint that gives all away, and a button that promises one more than there is."""
    more = page.get_by_role("button", name="A hint")
    for count in (1, 2, 3):
        more.click()
        playwright.expect(page.locator("#said li")).to_have_count(count)
    playwright.expect(more).to_be_disabled()
    playwright.expect(more).to_have_text("A hint (3 of 3)")


def test_a_function_of_ones_own(page):
    """Catches an operation, with its options, that cannot be chosen, and markup in the code that becomes the page's."""
    page.get_by_label("Exercise").select_option("a function of your own")
    page.get_by_role("button", name="Check").click()
    says(page, r"Wrong\. [\d.]+ s, against linear")
    playwright.expect(page.locator("#verdict")).to_contain_text("mean-instead-of-sum")
    page.get_by_label("computes").fill("leaky_relu(negative_slope=0.2)")
    write(page, MARKUP)
    page.get_by_role("button", name="Check").click()
    says(page, r"Wrong\. [\d.]+ s, against leaky_relu\(negative_slope=0.2\)")
    assert page.locator("#verdict img").count() == 0


def test_an_endless_loop_is_ended(page):
    """Catches a page that hangs with the code in it, and one that cannot check any more afterwards."""
    says(page, "Python is there")
    write(page, LOOP)
    page.clock.install()
    page.get_by_role("button", name="Check").click()
    says(page, "Checking")
    page.clock.fast_forward(61_000)
    says(page, "It did not finish within 60 s. Is there an endless loop?")
    write(page, LOOP)
    page.get_by_role("button", name="Check").click()
    says(page, "Checking")
    page.get_by_role("button", name="Stop").click()
    says(page, r"Stopped\.")
    write(page, solved("relu"))
    page.get_by_role("button", name="Check").click()
    says(page, "Right")


def test_the_keyboard_is_enough(page):
    """Catches an editor that one cannot leave without a mouse, a Tab that is lost, and a check without a key."""
    editor = page.get_by_label("your code")
    write(page, "")
    editor.press("a")
    editor.press("Tab")
    editor.type("b:")
    editor.press("Enter")
    editor.type("c")
    assert editor.input_value() == "a   b:\n    c"
    editor.press("Control+a")
    editor.press("Tab")
    assert editor.input_value() == "    a   b:\n        c"
    editor.press("Shift+Tab")
    assert editor.input_value() == "a   b:\n    c"
    editor.press("Control+z")
    assert editor.input_value() == "    a   b:\n        c"
    write(page, solved("relu"))
    editor.press("Control+Enter")
    says(page, "Right")
    editor.press("Escape")
    editor.press("Tab")
    assert page.evaluate("document.activeElement.id") == "check"


def test_the_circuit_player(page):
    """Catches a player that does not move, and a focus that is lost when it draws."""
    player = page.locator("#player")
    player.get_by_role("button", name="start").click()
    playwright.expect(player).to_contain_text("Nothing is computed yet.")
    step = player.get_by_role("button", name="next")
    step.focus()
    for _ in range(3):
        page.keyboard.press("Enter")
    playwright.expect(player).to_contain_text("Forward: + of -2, 5 gives 3.")


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (390, "dark"), (1400, "dark")])
def test_it_fits(page, width, scheme):
    """Catches a page that must be moved sideways on a phone, and one that stays white in the dark."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    write(page, solved("linear").replace("dy.sum(axis=0)", "dy.mean(axis=0)"))
    page.get_by_label("Exercise").select_option("6. Linear layer")
    write(page, solved("linear").replace("dy.sum(axis=0)", "dy.mean(axis=0)"))
    page.get_by_role("button", name="Check").click()
    says(page, "Wrong")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    code = page.locator("#verdict .code")
    assert code.evaluate("e => e.scrollWidth <= e.clientWidth"), "a line of the code, or the mark beside it, is cut"
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 80) == (scheme == "dark"), ground


def test_what_cannot_be_loaded_is_said(chromium, address):
    """Catches a page that waits for ever for a NumPy that does not come, and what loads on writing over the error."""
    context, held = chromium.new_context(), []
    context.route("**/*.whl", lambda route: route.fulfill(status=404))
    context.route("**/torchref.zip", lambda route: held.append(route))
    page = context.new_page()
    page.goto(f"{address}/index.html")
    says(page, "Python could not be loaded: NumPy could not be loaded. the server answers 404")
    with context.expect_event("requestfinished", lambda request: request.url.endswith("torchref.zip")):
        held.pop().continue_()
    page.wait_for_timeout(300)
    says(page, "Python could not be loaded: NumPy could not be loaded. the server answers 404")
    context.close()
