# ruff: noqa: E501
"""The verdict as one self-contained page: mine, reference and difference as heat maps."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from torchref.check.ops import Op
from torchref.check.ops.find import UnknownOp, find
from torchref.check.report.verdict import COULD_NOT_RUN, RIGHT, SLUGS, Finding, Verdict, inside
from torchref.nn.module import Array

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#1c1c1c;background:#fff}
h1{font-size:1.4em} h2{font-size:1.15em;margin-top:2em} .right{color:#11701f} .wrong{color:#b3201c} .none{color:#8a5a00}
.finding{border-left:4px solid #b3201c;padding:.2em 1em;margin:1em 0;background:#fbf3f2}
.maps{display:flex;gap:1.5em;overflow-x:auto} figure{margin:0;min-width:13em} figcaption{font-size:.85em;color:#444;max-width:19em}
pre{background:#f5f5f5;padding:1em;overflow:auto} svg{border:1px solid #999;background:#fff}
@media(prefers-color-scheme:dark){body{background:#191919;color:#e6e6e6}.finding{background:#2b1d1c}figcaption{color:#bbb}pre{background:#262626}
.right{color:#6bd07c}.wrong{color:#ff8078}.none{color:#f0b45a}}
"""
LIMIT = 40
LEGEND = "<p>Red: above zero, blue: below, white: zero, black: not finite. Point at a cell for its value.</p>"
SPACE = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}


def axis_names(op: Op, name: str, ndim: int) -> tuple[str, ...]:
    """The names of the `ndim` axes of the array `name`, in torch's layout."""
    named = " ".join(op.argument(name).axes).split("|") if op.has(name) else []
    own = next((tuple(a.split()) for a in named if len(a.split()) == ndim), None)
    known = own or layout(op, name, ndim)
    return known if known is not None and len(known) == ndim else tuple(f"axis {i}" for i in range(ndim))


def layout(op: Op, name: str, ndim: int) -> tuple[str, ...] | None:
    image = ("N", "C", *SPACE.get(ndim - 2, ()))
    if ndim == 1:
        return ("N",) if op.loss else ("D",)
    return ("N", "D") if ndim == 2 else image if ndim > 2 else None


def matrix(a: Array) -> Array:
    """Any array as a picture of rows and columns: leading axes are stacked."""
    a = np.atleast_1d(np.asarray(a, dtype=float))
    return a.reshape(1, -1) if a.ndim == 1 else a.reshape(-1, a.shape[-1])


def colour(value: float, top: float) -> str:
    """Blue below zero, white at zero, red above; black for what is not finite."""
    if not np.isfinite(value):
        return "#000"
    t = max(-1.0, min(1.0, value / top)) if top > 0 else 0.0
    fade = round(255 * (1 - abs(t)))
    return f"#ff{fade:02x}{fade:02x}" if t > 0 else f"#{fade:02x}{fade:02x}ff"


def heat(name: str, a: Array, top: float, axes: tuple[str, ...]) -> str:
    full = matrix(a)
    m = full[:LIMIT, :LIMIT]
    cell = 14
    rows, columns = m.shape
    cells = "".join(
        f'<rect x="{j * cell}" y="{i * cell}" width="{cell}" height="{cell}" fill="{colour(m[i, j], top)}"><title>[{i}, {j}] {m[i, j]:.6g}</title></rect>'
        for i in range(rows) for j in range(columns)
    )  # fmt: skip
    shape = ", ".join(f"{n} = {s}" for n, s in zip(axes, np.shape(a), strict=False)) or "a single number"
    down = ", ".join(axes[:-1])
    lines = [f"<strong>{html.escape(name)}</strong>", f"shape {np.shape(a)}: {html.escape(shape)}"]
    if axes:
        stacked = " (one below the other)" if len(axes) > 2 else ""
        lines.append((f"down: {html.escape(down)}{stacked}, " if down else "") + f"across: {html.escape(axes[-1])}")
    if m.shape != full.shape:
        lines.append(f"the first {rows} x {columns} of {full.shape[0]} x {full.shape[1]}")
    return (
        f'<figure><svg width="{columns * cell}" height="{rows * cell}" role="img" aria-label="{html.escape(name)}">{cells}</svg>'
        f"<figcaption>{'<br>'.join(lines)}</figcaption></figure>"
    )


def pictures(verdict: Verdict, picture: dict[str, Any]) -> str:
    name = picture["name"]
    mine, reference = np.asarray(picture["mine"]), np.asarray(picture["reference"])
    finite = np.abs(reference[np.isfinite(reference)])
    top = float(finite.max()) if finite.size else 1.0
    try:
        names = axis_names(find(verdict.against), name, reference.ndim)
    except UnknownOp:  # an optimizer's step
        names = tuple(f"axis {i}" for i in range(reference.ndim))
    own = names if mine.ndim == reference.ndim else tuple(f"axis {i}" for i in range(mine.ndim))
    maps = [heat("mine", mine, top, own), heat("reference", reference, top, names)]
    if mine.shape == reference.shape:
        difference = mine - reference
        size = float(np.nanmax(np.abs(difference))) if difference.size else 0.0
        if name in verdict.right:
            told, scale = "rounding" if verdict.right[name] <= 1 else "right, with a note", top
        else:
            told, scale = "in its own colours", size
        maps.append(heat(f"difference: up to {size:.3g} ({told})", difference, scale, names))
    return f'<h3>{html.escape(verdict.title(name))}</h3><div class="maps">{"".join(maps)}</div>'


def page(verdicts: list[Verdict], hints: int = 3) -> str:
    """The page; `hints` hides as much as elsewhere (pictures need 2: they show the right answer's difference)."""
    parts = [part for v in verdicts for part in section(v, hints)]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>torchref check</title>'
        f"<style>{STYLE}</style></head><body><h1>Is this gradient right?</h1>{''.join(parts)}</body></html>\n"
    )


def section(v: Verdict, hints: int) -> list[str]:
    """One verdict."""
    word = {"right": "right", "wrong": "wrong"}.get(v.verdict, "none")
    parts = [
        f'<h2>{html.escape(v.name)} against {html.escape(v.against)}: <span class="{word}">{v.verdict}</span></h2>'
    ]
    if v.verdict == COULD_NOT_RUN:
        parts.append(f"<pre>{html.escape(v.error)}</pre>")
    elif hints >= 2 or (hints and v.verdict == RIGHT):
        parts += [finding(v, f, hints) for f in v.findings]
        for n, share in v.right.items():
            how = f": {inside(share)}" if hints >= 3 else ""
            parts.append(f'<p><span class="right">{html.escape(v.title(n))}: right</span>{how}</p>')
        parts += [f"<p>Note: {html.escape(n)}</p>" for n in v.notes]
        parts += [LEGEND] if v.pictures else []
        parts += [pictures(v, p) for p in v.pictures]
    elif hints == 1:
        parts += [f'<p class="right">{html.escape(v.title(n))}: right</p>' for n in v.right]
        parts += [f"<p>{html.escape(v.title(n))}: wrong</p>" for n in dict.fromkeys(f.gradient for f in v.findings)]
    return parts


def finding(v: Verdict, f: Finding, hints: int) -> str:
    lines = [
        f"<strong>{html.escape(v.title(f.gradient))}: {f.slug}</strong>",
        html.escape(f.sentence or SLUGS.get(f.slug, "")),
        f"Evidence: {html.escape(f.evidence)}",
    ]
    lines += [f"Where: {html.escape(f.intermediate)}"] if f.intermediate else []
    if f.consequences:
        lines.append(f"This spoils {html.escape(', '.join(v.title(c) for c in f.consequences))}, too")
    if hints >= 3:
        lines += [f"Instead: <code>{html.escape(f.correction)}</code>"] if f.correction else []
        lines += [f"Formula: <pre>{html.escape(f.formula)}</pre>"] if f.formula else []
        lines += [f"Derivation: {html.escape(f.derivation)}"] if f.derivation else []
    return f'<div class="finding">{"<br>".join(lines)}</div>'
