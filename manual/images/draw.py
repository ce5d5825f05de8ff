"""Draws the derivations' pictures as SVG: `python manual/images/draw.py` writes them beside this file.

Plain shapes and words, dark on light and light on dark by the reader's own setting.
"""

from __future__ import annotations

from pathlib import Path

STYLE = """<style>
text { font: 14px sans-serif; fill: #1f2328; } .small { font-size: 12px; } .middle { text-anchor: middle; }
.line { stroke: #57606a; stroke-width: 1.5; fill: none; } .box { stroke: #57606a; stroke-width: 1.5; fill: #f6f8fa; }
.mark { fill: #ddf4ff; stroke: #0969da; stroke-width: 1.5; } .back { stroke: #cf222e; stroke-width: 1.5; fill: none; }
.red { fill: #cf222e; } .blue { fill: #0969da; } .head { fill: #57606a; } .backhead { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .line { stroke: #8b949e; } .box { stroke: #8b949e; fill: #161b22; }
.mark { fill: #0c2d6b; stroke: #58a6ff; } .back { stroke: #ff7b72; } .red { fill: #ff7b72; } .blue { fill: #58a6ff; }
.head { fill: #8b949e; } .backhead { fill: #ff7b72; } }
</style>
<defs>
<marker id="f" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker>
<marker id="b" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="backhead" d="M0 0 8 4 0 8z"/></marker>
</defs>"""  # noqa: E501


def picture(width: int, height: int, title: str, *parts: str) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
            f"<title>{title}</title>",
            STYLE,
            *parts,
            "</svg>\n",
        ]
    )


def text(x: float, y: float, words: str, kind: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{words}</text>'


def box(x: float, y: float, width: float, height: float, words: str = "", kind: str = "box") -> str:
    """A box with its words in the middle; x and y are its left upper corner."""
    rect = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" class="{kind}"/>'
    return rect + (text(x + width / 2, y + height / 2 + 5, words) if words else "")


def circle(x: float, y: float, radius: float, words: str = "", kind: str = "box") -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{kind}"/>' + text(x, y + 5, words)


def arrow(path: str, back: bool = False) -> str:
    """An arrow along an SVG path; `back`: red, for a gradient."""
    return f'<path d="{path}" class="{"back" if back else "line"}" marker-end="url(#{"b" if back else "f"})"/>'


def ctc_states() -> str:
    """Five states of the target "c a", drawn over time, and the steps between two times."""
    names, parts = ["blank", "c", "blank", "a", "blank"], []
    y = [40 + 44 * s for s in range(5)]
    for t in range(4):
        x = 130 + 130 * t
        parts += [circle(x, y[s], 15, "–" if s % 2 == 0 else names[s], "mark" if s % 2 else "box") for s in range(5)]
        parts.append(text(x, 262, f"t = {t}", "small middle"))
        if t == 3:
            break
        for s in range(5):
            for s2 in (s, s + 1, s + 2):
                if s2 < 5 and (s2 < s + 2 or s % 2):
                    parts.append(arrow(f"M{x + 16} {y[s] + 4 * (s2 - s)} L{x + 113} {y[s2] - 4 * (s2 - s)}"))
    parts += [text(60, y[s] + 5, f"s = {s}: {names[s]}", "small middle") for s in range(5)]
    parts += [text(560, y[3] + 5, "paths end", "small"), text(560, y[4] + 5, "in these two", "small")]
    return picture(640, 280, "The states of a target of two labels, and the steps that paths may take", *parts)


PICTURES = {"ctc-states": ctc_states}


def main() -> None:
    for name, draw in PICTURES.items():
        (Path(__file__).parent / f"{name}.svg").write_text(draw())


if __name__ == "__main__":
    main()
