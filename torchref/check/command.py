# ruff: noqa: E501
"""`torchref check FILE.py:NAME --against OP`: the command line."""

from __future__ import annotations

import argparse
import json
import sys

from torchref.check.api import in_file
from torchref.check.verdict import COULD_NOT_RUN, STATUS, Verdict


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="torchref check",
        description="Is this gradient right, and if not, what is wrong with it? Exit status: 0 right, 1 wrong, 2 could not be run.",
        epilog="example: torchref check student.py:layer_norm --against layer_norm    several at once: student.py:ln=layer_norm student.py:Conv='conv2d(stride=2)'",
    )
    p.add_argument(
        "targets",
        nargs="+",
        metavar="FILE.py:NAME[=OP]",
        help="what to check: a function, a class, or the stem of NAME_forward / NAME_backward",
    )
    p.add_argument(
        "--against",
        metavar="OP",
        help='torch\'s name of what it should compute: layer_norm, LayerNorm, "conv2d(stride=2)", "Adam(lr=1e-3)"',
    )
    p.add_argument("--form", help="closure, pair, class, function, autograd or optimizer, where it is not recognised")
    p.add_argument(
        "--arguments",
        metavar="NAMES",
        help="torch's arguments in your order, such as input,weight,eps; W=weight.T, p=1-p, gates=i,f,o,g state a convention",
    )
    p.add_argument(
        "--hints",
        type=int,
        choices=(0, 1, 2, 3),
        default=3,
        help="how much is given away: 0 right or wrong, 1 which gradient, 2 what kind of mistake, 3 the correction",
    )
    p.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="how long the code may run")
    p.add_argument("--html", metavar="FILE", help="write mine, reference and difference as pictures")
    p.add_argument("--json", action="store_true", help="print the verdict as JSON")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the command; the exit status."""
    args = parser().parse_args(argv)
    verdicts: list[Verdict] = []
    for target in args.targets:
        place, equals, op = target.partition("=")
        path, colon, name = place.rpartition(":")
        against = op if equals else args.against
        if not colon or not path or not name:
            verdicts.append(Verdict(COULD_NOT_RUN, name=target, error=f"expected FILE.py:NAME, found {target!r}"))
        elif not against:
            verdicts.append(
                Verdict(
                    COULD_NOT_RUN, name=target, error="say what it should compute: --against OP, or FILE.py:NAME=OP"
                )
            )
        else:
            verdicts.append(in_file(path, name, against, args.form, args.arguments, timeout=args.timeout))
    if args.html:
        from torchref.check.html import page

        with open(args.html, "w", encoding="utf-8") as f:
            f.write(page(verdicts, args.hints))
    status = max(STATUS[v.verdict] for v in verdicts)
    if args.json:
        answers = [v.as_dict(args.hints) for v in verdicts]
        print(
            json.dumps(
                answers[0]
                if len(answers) == 1
                else {"verdict": max(verdicts, key=lambda v: STATUS[v.verdict]).verdict, "results": answers},
                indent=2,
            )
        )
    else:
        stream = sys.stdout
        for v in verdicts:
            print(v.text(args.hints), file=stream)
    return status
