"""`make certify`: measure the library on this machine, and write the certificate into the manual.

`make certify ONLY=Linear` measures one module (several: ONLY="Linear GELU"), and renews its row alone.
`make certify SCHEDULER=tcp://HOST:8786` has it measured by a cluster's workers, which must see this checkout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.certify.certificate import certify, renewed, write
from torchref.compare.errors import UserError
from torchref.compare.tasks.cluster import connected

MANUAL = Path(__file__).parents[2] / "manual"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(words: list[str]) -> int:
    """Measure, write, and say the verdict; 0: certified, 1: not, 2: there is no such module, or no such cluster."""
    parser = argparse.ArgumentParser(prog="certify")
    parser.add_argument("--scheduler")
    parser.add_argument("modules", nargs="*")
    asked = parser.parse_args(words)
    try:
        if asked.scheduler is None:
            found = certify(asked.modules or None, say)
        else:
            with connected(asked.scheduler, MANUAL, say) as run_tasks:
                found = certify(asked.modules or None, say, run_tasks=run_tasks)
    except (LookupError, UserError) as error:
        say(f"certify: {error}")
        return 2
    whole = renewed(MANUAL, found) if asked.modules else found
    write(whole, MANUAL)
    print(found.verdict)
    return 0 if found.passed and whole.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
