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
    """The text of an SVG file."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([head, f"<title>{title}</title>", STYLE, *parts, "</svg>\n"])


def text(x: float, y: float, words: str, kind: str = "middle") -> str:
    """Words, of which (x, y) is the middle of the base line unless `kind` has no "middle"."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{words}</text>'


def box(x: float, y: float, width: float, height: float, words: str = "", kind: str = "box") -> str:
    """A box with its words in the middle; x and y are its left upper corner."""
    rect = f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" class="{kind}"/>'
    return rect + (text(x + width / 2, y + height / 2 + 5, words) if words else "")


def circle(x: float, y: float, radius: float, words: str = "", kind: str = "box") -> str:
    """A circle with its words in the middle."""
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


def recurrence() -> str:
    """Three steps of a recurrence: states to the right in grey, their gradients to the left in red."""
    parts = [circle(60, 120, 22, "h0")]
    for t in range(1, 4):
        x = 60 + 190 * t
        parts += [
            box(x - 50, 98, 60, 44, "cell"),
            circle(x + 60, 120, 22, f"h{t}"),
            text(x - 20, 222, f"x{t}"),
            text(x + 60, 24, f"y{t} = h{t}"),
            arrow(f"M{x - 20} 206 L{x - 20} 146"),
            arrow(f"M{x + 12} 120 L{x + 35} 120"),
            arrow(f"M{x + 54} 96 L{x + 54} 34"),
            arrow(f"M{x + 66} 34 L{x + 66} 96", back=True),
            arrow(f"M{x - 107 if t > 1 else 84} 112 L{x - 54} 112"),
            arrow(f"M{x - 54} 130 L{x - 107 if t > 1 else 84} 130", back=True),
            text(x + 72, 66, f"dy{t}", "small red"),
            text(x - 6, 164, "W", "small middle"),
            arrow(f"M{x - 30} 146 C{x - 60} 190 {x - 70} 235 {x - 60} 262", back=True),
        ]
    parts.append(text(350, 284, "the same weights at each time: their gradients add up over all times", "red middle"))
    return picture(750, 300, "A recurrence unrolled, and the way of the gradient back through time", *parts)


def windows() -> str:
    """Windows of length 3 with stride 2: neighbours share an entry, which gets two gradients."""
    parts = [box(30 + 60 * i, 110, 56, 40, f"x{i}", "mark" if i and i % 2 == 0 and i < 8 else "box") for i in range(9)]
    for p in range(4):
        left, middle = 30 + 120 * p, 118 + 120 * p
        parts += [box(middle - 28, 20, 56, 36, f"y{p}")]
        for k in range(3):
            parts.append(arrow(f"M{left + 60 * k + 28} 108 L{middle + 8 * (k - 1)} 60"))
        parts.append(f'<path d="M{left} {160 + 12 * (p % 2)} h176" class="line"/>')
    parts.append(text(300, 200, "blue: in two windows, so its gradient is the sum of two", "blue middle"))
    return picture(600, 215, "Windows that overlap: length 3, stride 2", *parts)


def batch_norm_paths() -> str:
    """From one entry to all normalised ones."""
    parts = [
        box(20, 110, 70, 44, "x_i", "mark"),
        box(230, 30, 90, 44, "mean"),
        box(230, 190, 90, 44, "variance"),
        box(470, 30, 110, 44, "x_hat_1"),
        box(470, 110, 110, 44, "x_hat_i", "mark"),
        box(470, 190, 110, 44, "x_hat_N"),
        arrow("M92 132 L466 132"),
        text(240, 126, "directly: 1 / σ", "small middle"),
        arrow("M92 122 L226 56"),
        text(140, 74, "1 / N", "small middle"),
        arrow("M92 142 L226 208"),
        text(132, 202, "2 σ x_hat_i / N", "small middle"),
    ]
    for y in (52, 124, 204):
        parts.append(arrow(f"M322 52 L466 {y}"))
    for y in (60, 140, 212):
        parts.append(arrow(f"M322 212 L466 {y}"))
    parts += [
        text(390, 40, "− 1 / σ, to each", "small middle"),
        text(392, 232, "− x_hat_j / 2σ², to each", "small middle"),
    ]
    return picture(600, 255, "Three paths from an entry to the normalised batch", *parts)


def norms() -> str:
    """A table of examples and channels, its cells rows of positions; the set that shares its statistics is marked."""
    parts = []
    sets = {
        "batch": lambda n, c: c == 1,
        "layer": lambda n, c: n == 1,
        "group": lambda n, c: n == 1 and c < 2,
        "instance": lambda n, c: n == 1 and c == 1,
    }
    for k, (name, shares) in enumerate(sets.items()):
        left = 20 + 175 * k
        parts.append(text(left + 74, 26, name))
        for n in range(3):
            for c in range(4):
                parts.append(box(left + 37 * c, 44 + 37 * n, 34, 34, "", "mark" if shares(n, c) else "box"))
        parts.append(text(left + 74, 176, "channels", "small middle"))
    parts.append(text(360, 204, "rows are examples; each cell holds all positions of a channel", "small middle"))
    return picture(730, 218, "The entries that share a mean and a variance", *parts)


def attention_shapes() -> str:
    """The matrices of one head."""
    parts = [
        box(20, 40, 50, 90, "Q"),
        text(45, 148, "L × d", "small middle"),
        text(90, 90, "·"),
        box(110, 55, 110, 50, "Kᵀ"),
        text(165, 148, "d × S", "small middle"),
        arrow("M230 85 L290 85"),
        text(260, 75, "softmax", "small middle"),
        box(300, 40, 110, 90, "P", "mark"),
        text(355, 148, "L × S", "small middle"),
        text(428, 90, "·"),
        box(446, 30, 60, 110, "V"),
        text(476, 158, "S × e", "small middle"),
        arrow("M516 85 L560 85"),
        box(570, 40, 60, 90, "Y"),
        text(600, 148, "L × e", "small middle"),
    ]
    gradients = "dV = Pᵀ dY,   dP = dY Vᵀ,   dS = P ⊙ (dP − rows of dY · Y),   dQ = α dS K,   dK = α dSᵀ Q"
    parts.append(text(325, 190, gradients, "middle red"))
    return picture(660, 210, "The shapes of one head of attention, and its gradients", *parts)


PICTURES = {
    "attention-shapes": attention_shapes,
    "batch-norm-paths": batch_norm_paths,
    "ctc-states": ctc_states,
    "norms": norms,
    "recurrence": recurrence,
    "windows": windows,
}


def main() -> None:
    """Write every picture."""
    for name, draw in PICTURES.items():
        (Path(__file__).parent / f"{name}.svg").write_text(draw())


if __name__ == "__main__":
    main()
