"""Where a variant's training left off: not begun, at a checkpoint, or finished; and whether its record is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torchref.compare.comparison import Comparison
from torchref.compare.configuration import as_config, plain
from torchref.compare.errors import UserError
from torchref.compare.record.kept import check_record
from torchref.compare.train import checkpoint
from torchref.nn.module import Array

__all__ = ["anew", "is_finished", "left_off", "whose"]


def whose(comparison: Comparison, variant: str) -> dict[str, Any]:
    """The settings of a checkpoint: all but the number of epochs, as more may follow."""
    config = as_config(comparison)
    options = {name: plain(value) for name, value in comparison.variants[variant].items()}
    kept = {name: value for name, value in config.items() if name not in ("epochs", "file", "variants")}
    return {**kept, "variant": variant, "options": options}


def left_off(folder: Path, comparison: Comparison, variant: str) -> tuple[int, dict[str, Array], dict[str, Any]] | None:
    """The checkpoint in a variant's folder (step, arrays, state), or None where there is none.

    UserError, with what to do, if it is damaged or of another training, or if what was recorded until then is not
    there any more.
    """
    checkpoints = folder / "checkpoint"
    if checkpoint.latest(checkpoints) is None:
        return None
    try:
        step, arrays, state = checkpoint.load(checkpoints)
        ours, theirs = whose(comparison, variant), state.get("of", {})
        for name in ours | theirs:
            if ours.get(name) != theirs.get(name):
                raise UserError(f"{checkpoints} is of {name} = {theirs.get(name)!r}, this run of {ours.get(name)!r}")
        if is_finished(state, comparison):
            check_record(folder, state["finished"], finished=True)
        else:
            check_record(folder, state["record"])
    except UserError as error:
        raise UserError(f"resume: {error}; {anew(folder, variant)}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):  # whole, but not as this program writes it
        raise UserError(f"resume: {checkpoints} is no checkpoint of a training; {anew(folder, variant)}") from None
    return step, arrays, state


def anew(folder: Path, variant: str) -> str:
    """The end of a message: what to do where nothing can be continued."""
    return f"remove {folder} and resume again: {variant} is trained anew"


def is_finished(state: dict[str, Any], comparison: Comparison) -> bool:
    """Whether a checkpoint is a training's last one: it holds the report, and no more epochs are asked for."""
    return state["report"] is not None and state["epoch"] == comparison.epochs
