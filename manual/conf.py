"""The manual as a site: `make docs`. How a page is written stands in CONTRIBUTING.md."""

from __future__ import annotations

import hashlib
import os
import sys
from multiprocessing.util import Finalize
from pathlib import Path
from types import SimpleNamespace
from typing import Any

MANUAL = Path(__file__).parent
ROOT = MANUAL.parent
sys.path.insert(0, str(MANUAL / "_site"))

import docstrings  # noqa: E402 - they stand beside this file, outside the package
import pages  # noqa: E402
import reference  # noqa: E402
from sphinxcontrib import katex  # noqa: E402

import torchref  # noqa: E402

project = "torchref"
version = release = torchref.__version__
author = copyright = "the torchref authors"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinxcontrib.katex"]
root_doc = "index"
# README.md is a part of index.md. What is above this folder, and what helps to build the site, is no page.
exclude_patterns = ["README.md", "_site"]

# Markdown: $...$ is mathematics here and on GitHub; a link to a heading is written as GitHub writes it.
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

# Cells run once, and again when they or the library change. An exception, or a word on stderr, ends the build.
BUILD = ROOT / "build" / "docs"


def digest() -> str:
    """One number for all of the library's source: results of cells are kept under it."""
    together = hashlib.sha256()
    for file in sorted(ROOT.glob("torchref/**/*.py")):
        together.update(file.read_bytes())
    return together.hexdigest()[:12]


nb_execution_mode = "cache"
nb_execution_cache_path = str(BUILD / f"cells-{digest()}")
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_output_stderr = "warn"
nb_merge_streams = True
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
os.environ |= {"MATPLOTLIBRC": str(MANUAL / "_site" / "matplotlibrc"), "IPYTHONDIR": str(MANUAL / "_site" / "ipython")}
os.environ["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))  # for `!torchref ...`
os.environ |= {"PYDEVD_DISABLE_FILE_VALIDATION": "1", "PYTHONPATH": str(ROOT)}

# Mathematics is made into HTML here, by node; a formula with a mistake ends the build.
katex_prerender = True
katex_css_path = "katex/katex.min.css"
katex.KATEX_DEFAULT_OPTIONS["throwOnError"] = True
# Sphinx writes in processes of its own, where atexit is not run: without this, node would outlive them.
katex.atexit = SimpleNamespace(register=lambda function, *args: Finalize(None, function, args=args, exitpriority=0))
katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60
# By a port, as on Windows: it tries until node answers. By a file it tries once, as soon as the file is there, and on a
# busy machine nobody listens yet.
katex.KaTeXServer.start_server_process = katex.KaTeXServer.start_network_socket

autodoc_typehints = "none"  # the docstrings say what each array is
autodoc_member_order = "bysource"

html_theme = "furo"
html_title = "torchref"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "source_repository": "https://github.com/torchref/torchref/",
    "source_branch": "main",
    "source_directory": "manual/",
}
highlight_language = "none"
pygments_style = "default"
pygments_dark_style = "github-dark"


def setup(app: Any) -> None:
    """Join the three helpers to the build."""
    reference.write(MANUAL / "reference" / "api")
    app.connect("source-read", pages.together)
    app.connect("source-read", pages.with_contents)
    app.connect("source-read", pages.outside)
    app.connect("source-read", pages.to_the_check)
    app.connect("source-read", pages.to_the_left)
    app.connect("source-read", pages.in_both_lights)
    app.connect("autodoc-process-docstring", docstrings.to_rst)
    app.connect("autodoc-process-signature", docstrings.plain_signature)
