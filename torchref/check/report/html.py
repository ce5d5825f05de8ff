"""The verdict as one page, whole in itself, for a level of hints: the user's code, the findings, and pictures."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.find import UnknownOp, find
from torchref.check.report.judgement import COULD_NOT_RUN, SLUGS, Finding, Judgement, inside
from torchref.check.report.several import in_one_line, summary
from torchref.check.report.tiles import MOST, tiles
from torchref.nn.module import Array
from torchref.page import inline

STYLE = """
.torchref{font:15px/1.5 system-ui,sans-serif;max-width:82em;margin:0 auto;padding:1em;color:#1c1c1c;background:#fff}
.torchref h1{font-size:1.5em} .torchref h2{font-size:1.2em;margin-top:2em} .torchref h3{font-size:1.05em}
.torchref .right{color:#11701f} .torchref .wrong{color:#b3201c} .torchref .none{color:#8a5a00}
.torchref .finding{border-left:4px solid #b3201c;padding:.4em 1em;margin:1em 0;background:#fbf3f2}
.torchref .maps{display:flex;flex-wrap:wrap;gap:1.5em} .torchref figure{margin:0}
.torchref figcaption{font-size:.85em;color:#444;max-width:26em}
.torchref pre{background:#f5f5f5;color:#1c1c1c;padding:.8em;overflow:auto;font:13px/1.5 ui-monospace,monospace}
.torchref .finding pre{margin:.3em 0}
.torchref .code span{display:block;white-space:pre-wrap;overflow-wrap:anywhere;padding-left:6ch;text-indent:-6ch}
.torchref .code i{font-style:normal;color:#888;user-select:none}
.torchref .code .hit{background:#ffd9d5}
.torchref .code b{color:#b3201c;font-weight:600;display:inline-block;text-indent:0}
.torchref svg{background:#fff;max-width:none} .torchref rect{stroke:#bbb;stroke-width:.5}
.torchref svg text{font:11px system-ui,sans-serif;text-anchor:middle;dominant-baseline:central;pointer-events:none}
.torchref table{border-collapse:collapse} .torchref td{padding:.15em 1.2em .15em 0;vertical-align:top}
@media(prefers-color-scheme:dark){
body.torchref,.torchref{background:#191919;color:#e6e6e6}
.torchref .finding{background:#2b1d1c}.torchref figcaption{color:#bbb}
.torchref pre{background:#262626;color:#e6e6e6}
.torchref .code .hit{background:#5a2522}.torchref .code b{color:#ff8078}
.torchref .right{color:#6bd07c}.torchref .wrong{color:#ff8078}.torchref .none{color:#f0b45a}}
"""
LEGEND = (
    "<p>Blue: above zero, orange: below, the paler the nearer to zero, magenta: not finite. "
    "Point at a tile, or click it, for its value.</p>"
)
# Where scripts run, the pictures can be opened entry by entry; elsewhere, as in a notebook, they stay as they are.
OPENED = """
import { twoArrays } from "torchref/embed.js";
for (const root of document.querySelectorAll("[data-arrays]")) {
  const { said, mine, reference } = JSON.parse(root.dataset.arrays);
  twoArrays(root, said, mine, reference);
}
"""
SPACE = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
COLOURS = {0: "right", 1: "wrong", 2: "none"}


def page(verdicts: Sequence[Judgement], hints: int = 3) -> str:
    """The page of these verdicts at a level of hints; several verdicts have a table in front."""
    parts = [part for v in verdicts for part in _section(v, hints)]
    pictures = hints >= 2 and any(v.pictures for v in verdicts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>torchref check</title>'
        f"<style>{STYLE}</style>{inline.head() if pictures else ''}</head>"
        '<body class="torchref"><h1>Is this gradient right?</h1>'
        f"{_overview(verdicts, hints)}{''.join(parts)}{inline.script(OPENED) if pictures else ''}</body></html>\n"
    )


def cell(verdict: Judgement, hints: int = 3) -> str:
    """One verdict as a part of a page: of a notebook, of the check in a browser."""
    return f'<style>{STYLE}</style><div class="torchref">{"".join(_section(verdict, hints))}</div>'


def _overview(verdicts: Sequence[Judgement], hints: int) -> str:
    if len(verdicts) < 2:
        return ""
    rows = (
        f"<tr><td>{html.escape(v.place)}</td>"
        f'<td class="{COLOURS[v.status]}">{html.escape(in_one_line(v, hints))}</td></tr>'
        for v in verdicts
    )
    return f"<table>{''.join(rows)}</table><p>{html.escape(summary(verdicts))}</p>"


def _section(v: Judgement, hints: int) -> list[str]:
    """One verdict. 0: the word and the code. 1: the gradients. 2: the mistakes and the pictures. 3: the corrections."""
    word = "could not be run" if v.verdict == COULD_NOT_RUN else v.outcome
    against = f" against {v.against}" if v.against else ""
    parts = [f'<h2>{html.escape(v.name + against)}: <span class="{COLOURS[v.status]}">{html.escape(word)}</span></h2>']
    if v.verdict == COULD_NOT_RUN:
        return [*parts, f"<pre>{html.escape(v.why().strip())}</pre>"]
    if v.precision:
        parts.append(f"<p>Judged in {html.escape(v.precision)} on {html.escape(v.device)}.</p>")
    parts.append(_code(v, hints))
    for n, share in v.right.items() if hints >= 1 else ():
        how = f": {inside(share)}" if hints >= 3 else ""
        parts.append(f'<p><span class="right">{html.escape(v.title(n))}: right</span>{how}</p>')
    if hints == 1:
        wrong = dict.fromkeys(f.gradient for f in v.findings)
        parts += [f'<p class="wrong">{html.escape(v.title(n))}: wrong</p>' for n in wrong]
    if hints >= 2:
        parts += [_finding(v, f, hints) for f in v.findings]
        parts += [f"<p>{html.escape(v.called)}</p>"] if v.doubtful else []
        parts += [f"<p>Note: {html.escape(n)}</p>" for n in v.notes]
        parts += [f"<p>Not run: {html.escape(', '.join(v.not_run))}</p>"] if v.not_run else []
        parts += [f"<p>Option: {html.escape(v.option)}</p>"] if v.option else []
        parts += [LEGEND] if v.pictures else []
        parts += [_pictures(v, p) for p in v.pictures]
    return parts


def _code(v: Judgement, hints: int) -> str:
    """The user's code; from level 2 on the lines of the findings are marked."""
    marks: dict[int, list[str]] = {}
    for f in v.findings if hints >= 2 else ():
        if f.line:
            marks.setdefault(f.line, []).append(f"{v.title(f.gradient)}: {f.slug}")
    return "".join(piece(s["first"], s["text"], marks) for s in v.source)


def piece(first: int, text: str, marks: dict[int, list[str]]) -> str:
    """Code from line `first` on; `marks` says what is wrong at a line."""
    lines = []
    for number, line in enumerate(text.rstrip("\n").split("\n"), first):
        said = f"  <b>&#9664; {html.escape('; '.join(marks[number]))}</b>" if number in marks else ""
        hit = ' class="hit"' if number in marks else ""
        lines.append(f"<span{hit}><i>{number:4}  </i>{html.escape(line)}{said}</span>")
    return f'<pre class="code">{"".join(lines)}</pre>'


def _linked(text: str) -> str:
    """The text, in which the address of a page is a link."""
    return re.sub(r"https://[^\s,]+", r'<a href="\g<0>" target="_blank" rel="noopener">\g<0></a>', html.escape(text))


def _finding(v: Judgement, f: Finding, hints: int) -> str:
    lines = [
        f"<strong>{html.escape(v.title(f.gradient))}: {f.slug}</strong>",
        html.escape(f.sentence or SLUGS.get(f.slug, "")),
        f"Evidence: {html.escape(f.evidence)}",
    ]
    lines += [f"Example: {html.escape(f.example)}"] if f.example else []
    lines += [f"Where: {html.escape(f.intermediate)}"] if f.intermediate else []
    if f.consequences:
        lines.append(f"This spoils {html.escape(', '.join(v.title(c) for c in f.consequences))}, too")
    if hints >= 3:
        lines += [f"Instead: <code>{html.escape(f.correction)}</code>"] if f.correction else []
        lines += ["Formula:", f"<pre>{html.escape(f.formula)}</pre>"] if f.formula else []
        lines += [f"Derivation: {_linked(f.derivation)}"] if f.derivation else []
    return f'<div class="finding">{"".join(f"<div>{line}</div>" for line in lines)}</div>'


def _pictures(verdict: Judgement, picture: dict[str, Any]) -> str:
    """Mine, reference and difference of one gradient."""
    name = picture["name"]
    mine, reference = np.asarray(picture["mine"]), np.asarray(picture["reference"])
    finite = np.abs(reference[np.isfinite(reference)])
    top = float(finite.max()) if finite.size else 1.0
    try:
        names = axis_names(find(verdict.against), name, reference.ndim)
    except UnknownOp:  # an optimizer's step
        names = _numbered(reference.ndim)
    own = names if mine.ndim == reference.ndim else _numbered(mine.ndim)
    maps = [tiles("mine", mine, top, own), tiles("reference", reference, top, names)]
    if mine.shape == reference.shape:
        difference = mine - reference
        size = float(np.nanmax(np.abs(difference))) if difference.size else 0.0
        if name in verdict.right:
            meaning, scale = "rounding" if verdict.right[name] <= 1 else "right, with a note", top
        else:
            meaning, scale = "in its own colours", size
        maps.append(tiles(f"difference: up to {size:.3g} ({meaning})", difference, scale, names))
    said = ""
    if mine.shape == reference.shape:
        said = f' data-arrays="{html.escape(_arrays(verdict.title(name), mine, reference, names))}"'
    drawn = f'<div{said}><div class="maps">{"".join(maps)}</div></div>'
    return f"<h3>{html.escape(verdict.title(name))}</h3>{drawn}"


def _arrays(name: str, mine: Array, reference: Array, axes: tuple[str, ...]) -> str:
    """Both arrays for the page's script, as many entries of them as the tiles show."""
    kept = tuple(min(size, MOST[-1] if axis >= mine.ndim - 2 else MOST[0]) for axis, size in enumerate(mine.shape))
    part = tuple(slice(size) for size in kept)
    with np.errstate(invalid="ignore"):
        difference = np.abs(mine - reference)
    largest = float(np.max(difference[np.isfinite(difference)], initial=0.0))
    said = {"name": name, "shape": mine.shape, "kept": kept, "axes": axes, "difference": largest}
    said["names"] = ["mine", "reference"]
    return json.dumps({"said": said, "mine": inline.entries(mine[part]), "reference": inline.entries(reference[part])})


def axis_names(op: Op, name: str, ndim: int) -> tuple[str, ...]:
    """The names of the `ndim` axes of the array `name`, in torch's layout."""
    named = " ".join(op.argument(name).axes).split("|") if op.has(name) else []
    own = next((tuple(a.split()) for a in named if len(a.split()) == ndim), None)
    known = own or _layout(op, ndim)
    return known if known is not None and len(known) == ndim else _numbered(ndim)


def _layout(op: Op, ndim: int) -> tuple[str, ...] | None:
    image = ("N", "C", *SPACE.get(ndim - 2, ()))
    if ndim == 1:
        return ("N",) if op.loss else ("D",)
    return ("N", "D") if ndim == 2 else image if ndim > 2 else None


def _numbered(ndim: int) -> tuple[str, ...]:
    return tuple(f"axis {i}" for i in range(ndim))
