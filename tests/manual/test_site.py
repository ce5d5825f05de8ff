"""`make docs` builds the site without a warning, and the site asks no other host for anything.

The build takes minutes, and needs the extra `docs` and node; links and cells are tested without them beside this file.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What a browser fetches by itself: sources of scripts and pictures, style sheets, icons, fonts. Not: <a href="https://...">.
FETCHED = re.compile(r"<(?!a\b)[^>]*?\s(?:src|srcset|data|href)=[\"']((?:https?:)?//[^\"']+)")
IN_STYLES = re.compile(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^)\"']+)")
NODE, CHROMIUM = shutil.which("node"), shutil.which("chromium")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site. Warnings are errors."""
    pytest.importorskip("myst_nb", reason="the extra `docs` is not installed")
    if NODE is None:
        pytest.skip("node is not installed")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "2", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", out / "doctrees", ROOT / "manual", out / "site"],
        capture_output=True, text=True, check=False, env=os.environ | {"TMPDIR": str(out)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "site"


def test_nothing_of_it_runs_on(site):
    """Catches node, which sets the formulas for a worker, and waits for ever when the worker has ended."""
    assert not list(site.parent.glob("sphinxcontrib_katex*"))
    if Path("/proc").exists():
        running = [p for p in Path("/proc").glob("[0-9]*/cwd") if os.access(p, os.R_OK)]
        assert not [p for p in running if p.resolve().is_relative_to(site.parent)]


def test_nothing_is_fetched_from_another_host(site):
    """Catches a font, a script or a style that comes from a CDN."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 150
    for page in pages:
        text = page.read_text()
        assert not FETCHED.findall(text), page
        assert not IN_STYLES.findall(text), page
    for style in site.rglob("*.css"):
        assert not IN_STYLES.findall(style.read_text()), style


def test_formulas_are_set_and_pictures_drawn(site):
    """Catches formulas left as TeX, and cells that ran without a figure."""
    page = (site / "derivations" / "batch-norm.html").read_text()
    assert page.count('class="katex"') > 20
    assert (site / "_static" / "katex" / "fonts" / "KaTeX_Main-Regular.woff2").exists()
    assert (site / "_images").glob("*.svg")
    assert "[source]" in (site / "reference" / "api" / "nn.linear.html").read_text()


def test_the_search_works_without_a_server(site):
    """Catches an index that is not there, or that does not know what the manual is about."""
    index = (site / "searchindex.js").read_text()
    assert "backward" in index
    assert "layernorm" in index


def test_no_line_says_what_is_internal(site):
    """Catches an alias of a type that is printed as Python's own object."""
    for page in (site / "reference" / "api").glob("*.html"):
        assert "TypeAliasForwardRef" not in page.read_text(), page


@pytest.mark.parametrize("page", ["index.html", "learn/neuron.html", "derivations/attention.html", "search.html"])
def test_a_browser_without_a_network_shows_it(site, page):
    """Catches a page that waits for, or complains about, something that it cannot fetch."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    done = subprocess.run(
        [*command, "--enable-logging=stderr", "--dump-dom", (site / page).as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "torchref" in done.stdout
    assert "ERR_NAME_NOT_RESOLVED" not in done.stderr
    assert not re.findall(r"CONSOLE.*(?:Uncaught|Failed to load)", done.stderr)


# Not seen: the right end of a formula that is cut, of a page that is too wide; a picture that is not there.
HIDDEN = """width => [
  ...[...document.querySelectorAll("div.math .katex-html")].filter(e => width > 999 && e.scrollWidth > e.clientWidth),
  ...[...document.querySelectorAll("article img")].filter(e => e.complete && !e.naturalWidth && e.checkVisibility()),
  ...[document.documentElement].filter(e => e.scrollWidth > e.clientWidth + 1),
].map(e => e.src || e.closest(".katex")?.querySelector("annotation").textContent || "the page")"""


@pytest.mark.parametrize("width", [1280, 400])
def test_all_of_a_page_is_seen(site, width):
    """Catches a formula that is too long for a desk, and a page that is too wide for a phone."""
    playwright = pytest.importorskip("playwright.sync_api", reason="the extra `browser` is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    found = {}
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": width, "height": 900})
        for page in sorted(site.rglob("*.html")):
            if "_modules" not in page.parts:
                view.goto(page.as_uri())
                found[str(page.relative_to(site))] = view.evaluate(HIDDEN, width)
    hidden = {name: parts for name, parts in found.items() if parts}
    assert not hidden, hidden
