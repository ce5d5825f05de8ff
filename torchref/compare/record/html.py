"""Pictures in a notebook's cell: they stand in its HTML, so that it needs no file beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from torchref.compare.record.drawing import WIDTH
from torchref.compare.record.events import png
from torchref.nn.module import Array

__all__ = ["images"]


def images(pictures: Mapping[str, Array]) -> str:
    """{what it shows: pixels (H, W, 3)}: side by side, at half their size, as TensorBoard shows them."""
    each = (
        f'<img width="{WIDTH // 2}" alt="{escape(tag)}" title="{escape(tag)}" '
        f'src="data:image/png;base64,{base64.b64encode(png(pixels)).decode()}">'
        for tag, pixels in pictures.items()
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:12px;margin-top:8px">{"".join(each)}</div>'
