"""The report as a page and as a notebook shows it, in the style of `torchref check`."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from torchref.check.report.html import STYLE
from torchref.referee.findings import Findings
from torchref.referee.judgement import Judgement

__all__ = ["cell", "page"]

COLOURS = {"EQUAL": "right", "PARTED": "wrong", "NOT JUDGED": "none"}
HEAD = ("tensor", "operation", "module", "line", "error", "bound", "")
OWN_STYLE = """
.torchref th{text-align:left;font-weight:600;padding:.15em 1.2em .15em 0;vertical-align:bottom}
.torchref td.number{font-variant-numeric:tabular-nums;text-align:right;white-space:nowrap}
.torchref summary{cursor:pointer;margin-top:1em}.torchref .wide{overflow-x:auto}
.torchref .finding td:first-child{white-space:nowrap}
@media(prefers-color-scheme:dark){.torchref .finding{border-color:#ff8078}}
"""


def page(report: Findings) -> str:
    """The report as a page of its own."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>torchref referee</title>'
        f'<meta name="color-scheme" content="light dark"><style>{STYLE}{OWN_STYLE}</style></head>'
        f'<body class="torchref"><h1>Which gradient is right?</h1>{body(report)}</body></html>\n'
    )


def cell(report: Findings) -> str:
    """The report as a notebook shows it."""
    return f'<style>{STYLE}{OWN_STYLE}</style><div class="torchref">{body(report)}</div>'


def body(report: Findings) -> str:
    """The verdict, the counts, what parts first, and a table of each group."""
    parts = [heading(report), counts(report)]
    if report.eager is not None:
        parts.append(f"<h3>The eager run: {word(report.eager)}</h3>")
        parts += [finding(report.eager.first)] if report.eager.first is not None else []
        parts += [f"<h3>On {escape(report.engine)}: {word(report)}</h3>"]
    parts += [finding(report.first)] if report.first is not None else []
    parts += group("parted, too", report.parted[1:], opened=True)
    parts += group("not judged", report.not_judged, opened=True)
    parts += group("trusted", report.trusted, opened=True)
    parts += group("equal", report.judged, opened=False)
    return "".join(parts)


def word(report: Findings) -> str:
    return f'<span class="{COLOURS[report.verdict]}">{report.verdict}</span>'


def heading(report: Findings) -> str:
    """The verdict, and what was run."""
    return (
        f"<h2>{word(report)}</h2><p>Engine {escape(report.engine)}, loss {report.loss:.6g}, "
        f"{report.operations:,} operations. Taken as given: {report.draws:,} random draws, {report.given:,} operations "
        f"without a gradient. By torch's decomposition: {report.decomposed:,} operations.</p>"
    )


def counts(report: Findings) -> str:
    """How many tensors of each kind are equal, parted and not judged."""
    rows = []
    for kind in ("parameter", "input", "intermediate", "buffer"):
        numbers = report.counts(kind)
        if any(numbers):
            cells = "".join(f'<td class="number">{number:,}</td>' for number in numbers)
            rows.append(f"<tr><td>{kind}s</td>{cells}</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("", "equal", "parted", "not judged"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def finding(first: Judgement) -> str:
    """Where to look: the first that parts."""
    rows = "".join(f"<tr><td>{name}</td><td>{escape(said)}</td></tr>" for name, said in first.lines())
    return f'<div class="finding"><strong>First to part: {escape(first.where())}</strong><table>{rows}</table></div>'


def group(name: str, judgements: list[Judgement], opened: bool) -> list[str]:
    """A table of these; folded where nobody need look at it."""
    if not judgements:
        return []
    head = "".join(f"<th>{column}</th>" for column in HEAD)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(row, judgements))}</tbody></table>"
    summary = f"<summary>{len(judgements):,} {name}</summary>"
    return [f'<details{" open" * opened}>{summary}<div class="wide">{table}</div></details>']


def row(judgement: Judgement) -> str:
    """A line of a table."""
    j = judgement
    texts: Iterable[str] = (f"{j.name} {j.shape or ''}", j.op, j.module, j.shown_source())
    cells = "".join(f"<td>{escape(text)}</td>" for text in texts)
    numbers = ("", "") if j.reason else (f"{j.error:.2g}", f"{j.bound:.2g}")
    cells += "".join(f'<td class="number">{number}</td>' for number in numbers)
    share = "" if j.coefficient is None else f"its share is {j.coefficient:.4f} times what it should be"
    said = "; ".join(filter(None, (j.feeds and f"feeds {j.feeds}", j.reason, share, j.diagnosis)))
    return f"<tr>{cells}<td>{escape(said)}</td></tr>"
