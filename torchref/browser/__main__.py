"""`python -m torchref.browser FOLDER`: write the page that checks gradients in a browser."""

import argparse
import contextlib
import subprocess
import sys
from pathlib import Path

from torchref.browser.build import build, fetched

__all__ = ["main"]


def main() -> int:
    """Read the command line, and build; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m torchref.browser", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the page is written")
    parser.add_argument("--pyodide", type=Path, help="a folder with Pyodide; without it npm fetches it")
    parser.add_argument("--numpy", type=Path, help="NumPy's wheel for this Pyodide; without it the CDN has it")
    given = parser.parse_args()
    try:
        with contextlib.nullcontext(given.pyodide) if given.pyodide else fetched() as pyodide:
            size = build(given.folder, pyodide, given.numpy)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"the page was not written: {error}", file=sys.stderr)
        return 2
    print(f"{given.folder / 'index.html'}: a first visit loads {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
