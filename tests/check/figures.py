# ruff: noqa: E501
"""Run the corpus and count: `python -m tests.check.figures [WORD]` prints every entry that is judged otherwise."""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import replace

from tests.check import corpus
from torchref.check.api import Asked, judge, split


def misjudged(entry: corpus.Entry) -> str:
    """What is said instead of what should be; empty if they agree."""
    how = Asked(entry.against, stated=split(entry.arguments))
    verdict = judge(entry.target, how, entry.name)
    if entry.convention:
        if verdict.verdict != "right" or not verdict.notes:
            return f"a convention, judged {verdict.verdict} {[(f.slug, f.gradient) for f in verdict.findings]}"
        verdict = judge(entry.target, replace(how, strict=True), entry.name)
    found = [(f.slug, f.gradient) for f in verdict.findings]
    if entry.slug is None:
        return "" if verdict.verdict == "right" else f"accused: {verdict.verdict} {found} {verdict.error}"
    if verdict.verdict != "wrong" or found[0][0] not in (entry.slug, entry.second):
        return f"expected {entry.slug}, found {verdict.verdict} {found} {verdict.error}"
    if entry.second and entry.second not in [s for s, _ in found]:
        return f"the second mistake {entry.second} is not among {found}"
    if entry.gradient and (entry.slug, entry.gradient) not in found:
        return f"expected {entry.slug} in {entry.gradient}, found {found}"
    extra = {s for s, _ in found} - {entry.slug, entry.second}
    return f"named besides {entry.slug}: {extra}" if extra else ""


def main() -> None:
    warnings.simplefilter("ignore")
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [e for e in corpus.entries() if word in e.name]
    bad, start = 0, time.perf_counter()
    for entry in chosen:
        t = time.perf_counter()
        said = misjudged(entry)
        t = time.perf_counter() - t
        if said or t > 5:
            bad += bool(said)
            print(f"{entry.name} ({t:.1f} s): {said}")
    print(
        f"{len(chosen) - bad} of {len(chosen)} as expected, {sum(e.slug is None for e in chosen)} right ones; {time.perf_counter() - start:.1f} s"
    )


if __name__ == "__main__":
    main()
