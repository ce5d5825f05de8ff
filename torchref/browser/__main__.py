"""`python -m torchref.browser FOLDER`: write the page that checks gradients in a browser."""

import argparse
from pathlib import Path

from torchref.browser.build import build, fetched


def main() -> None:
    """Read the command line, and build."""
    parser = argparse.ArgumentParser(prog="python -m torchref.browser", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the page is written")
    parser.add_argument("--pyodide", type=Path, help="a folder with Pyodide; without it npm fetches it")
    parser.add_argument("--numpy", type=Path, help="NumPy's wheel for this Pyodide; without it the CDN has it")
    given = parser.parse_args()
    size = build(given.folder, given.pyodide or fetched(), given.numpy)
    print(f"{given.folder / 'index.html'}: a first visit loads {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
