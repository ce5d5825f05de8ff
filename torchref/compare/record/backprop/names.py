"""Under which names a step is recorded. Here, and not beside the recording: the plugin knows nothing of torch."""

from __future__ import annotations

__all__ = ["PLUGIN", "STRUCTURE"]

PLUGIN = "backprop"
STRUCTURE = "structure"  # the tag of a step's structure; the other tags are those of its tensors
