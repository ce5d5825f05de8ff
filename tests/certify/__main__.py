"""`make certify`: measure the library on this machine, and write the certificate into the manual.

`make certify ONLY=Linear` measures one module (several: ONLY="Linear GELU"), and renews its row alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.certify.certificate import certify, renewed, write

MANUAL = Path(__file__).parents[2] / "manual"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(modules: list[str]) -> int:
    """Measure, write, and say the verdict; 0: certified, 1: not, 2: there is no such module."""
    try:
        found = certify(modules or None, say)
    except LookupError as error:
        say(f"certify: {error}")
        return 2
    whole = renewed(MANUAL, found) if modules else found
    write(whole, MANUAL)
    print(found.verdict)
    return 0 if found.passed and whole.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
