"""`torchref certify`: measure the library on this machine, and write the certificate."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from comparisons.commands import option
from comparisons.errors import UserError

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Options:
    """Judge every module by torch, by witnesses without torch, and by planted mistakes; write the certificate.

    It is measured on the cases of the tests, so it runs in a checkout with the extra [test]. All modules take a quarter
    of an hour of one core, one module some seconds. Exit status 0: certified, 1: not.
    """

    modules: Annotated[tuple[str, ...], tyro.conf.Positional, option("MODULE")] = ()
    """Names in torch.nn; all of them by default."""
    out: Annotated[Path, option("FOLDER")] = Path("runs/certificate")
    """Where certificate.json and certificate.md are written."""
    json: Annotated[bool, option()] = False
    """Print the certificate as JSON."""


def run(options: Options) -> int:
    """Measure, write, and say the verdict."""
    if not (ROOT / "tests" / "certify" / "certificate.py").exists():
        raise UserError("certify: the cases stand among the tests, which are not installed; run it in a checkout")
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    try:
        certificate = importlib.import_module("tests.certify.certificate")
    except ModuleNotFoundError as error:
        raise UserError(f"certify: {error.name} is missing; install the extra: pip install -e '.[test]'") from None

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    try:
        found = certificate.certify(options.modules or None, say)
    except LookupError as error:
        raise UserError(f"certify: {error}") from None
    try:
        certificate.write(found, options.out)
    except OSError as error:
        raise UserError(f"certify: cannot write to {options.out}: {error.strerror}") from None
    print(found.to_json() if options.json else found.verdict)
    return 0 if found.passed else 1
