"""The resolved configuration of a run: `config.toml`, which `--config` reads again."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from comparisons.comparison import Comparison
from comparisons.errors import UserError
from comparisons.faults import message, writing

SETTINGS = ("epochs", "batch_size", "seed", "dtype", "device")


def as_config(comparison: Comparison) -> dict[str, Any]:
    """What a run can be repeated from: the comparison's name, its settings, and its variants' options."""
    return {
        "comparison": comparison.name,
        **({"file": comparison.file} if comparison.file else {}),
        **({"data": dict(comparison.source)} if comparison.source else {}),
        **{name: getattr(comparison, name) for name in SETTINGS},
        **({"optimizer": dict(comparison.optimizer_options)} if comparison.optimizer_options else {}),
        "variants": {name: {k: plain(v) for k, v in options.items()} for name, options in comparison.variants.items()},
    }


def plain(value: Any) -> Any:
    """What TOML can hold; anything else by its repr."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return repr(value)


def write_config(path: Path, config: dict[str, Any], resume: bool) -> None:
    """Write `config`, whole or not at all; with `resume` an existing one must say the same, but for fewer epochs."""
    if resume and path.exists():
        check_config(path, config)
    temporary = path.with_suffix(".tmp")
    with writing(path):
        temporary.write_text(tomli_w.dumps(config), encoding="utf-8")
        os.replace(temporary, path)


def check_config(path: Path, config: dict[str, Any]) -> None:
    """UserError unless the run that wrote `path` can be continued with `config`: nothing but more epochs."""
    there = read_config(path)
    for name in ("comparison", "data", *SETTINGS, "optimizer", "variants"):
        more = name == "epochs" and isinstance(there.get(name), int) and there[name] < config[name]
        if there.get(name) != config.get(name) and not more:
            raise UserError(f"resume: {path} has {name} = {there.get(name)!r}, this run {config.get(name)!r}")


def read_config(path: Path) -> dict[str, Any]:
    """UserError where there is no such file or it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"config: cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of thousands of digits, a deep nesting
        raise UserError(f"config: {path} is no TOML: {message(error)}") from None
