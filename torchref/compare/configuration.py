"""The resolved configuration of a run: `config.toml`, which `--config` reads again."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomli_w

from torchref.compare.comparison import Comparison
from torchref.compare.errors import UserError
from torchref.compare.faults import message, reason
from torchref.compare.files import write_whole
from torchref.nearest import nearest

__all__ = ["SETTINGS", "as_config", "check_config", "configured", "plain", "read_config", "shown", "write_config"]

SETTINGS = ("epochs", "batch_size", "seed", "dtype", "device", "record")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
KEYS = ("comparison", "file", "data", *SETTINGS, "optimizer", "variants", "origin")


def as_config(comparison: Comparison) -> dict[str, Any]:
    """All that repeats a run: the comparison's name, its settings, and its variants' options."""
    return {
        "comparison": comparison.name,
        **({"file": comparison.file} if comparison.file else {}),
        **({"data": dict(comparison.source)} if comparison.source else {}),
        **{name: getattr(comparison, name) for name in SETTINGS},
        **({"optimizer": dict(comparison.optimizer_options)} if comparison.optimizer_options else {}),
        "variants": {name: {k: plain(v) for k, v in options.items()} for name, options in comparison.variants.items()},
    }


def configured(comparison: Comparison, config: Mapping[str, Any]) -> Comparison:
    """`comparison` with what a config.toml says."""
    for key in config:
        if key not in KEYS:
            raise UserError(f"config: unknown key {key!r}: {nearest(key, KEYS)}")
    if config.get("comparison", comparison.name) != comparison.name:
        raise UserError(f"config: it is for the comparison {config['comparison']!r}, not for {comparison.name!r}")
    changes = {name: config[name] for name in SETTINGS if name in config}
    if "optimizer" in config:
        if not isinstance(config["optimizer"], dict):
            raise UserError(f"config: optimizer must be a table of options, not {config['optimizer']!r}")
        changes["optimizer_options"] = config["optimizer"]
    variants = config.get("variants")
    if variants is not None and variants != as_config(comparison)["variants"]:
        if not isinstance(variants, dict) or not all(isinstance(options, dict) for options in variants.values()):
            raise UserError(f"config: variants must be tables of options, not {variants!r}")
        changes["variants"] = variants
    return replace(comparison, **changes)


def plain(value: Any) -> Any:
    """What TOML can hold; anything else as it is shown."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return shown(value)


def shown(value: Any) -> str:
    """An object's repr without addresses, which are others in every run: `<function relu>`."""
    return ADDRESS.sub("", repr(value))


def write_config(path: Path, config: dict[str, Any], resume: bool) -> None:
    """Write `config`, whole or not at all; with `resume` an existing one must say the same, but for fewer epochs."""
    if resume and path.exists():
        check_config(path, config)
    write_whole(path, tomli_w.dumps(config))


def check_config(path: Path, config: dict[str, Any]) -> None:
    """UserError unless the run that wrote `path` can be continued with `config`: nothing but more epochs."""
    there = read_config(path)
    for name in (key for key in KEYS if key not in ("file", "origin")):
        more = name == "epochs" and isinstance(there.get(name), int) and there[name] < config[name]
        if there.get(name) != config.get(name) and not more:
            raise UserError(f"resume: {path} has {name} = {there.get(name)!r}, this run {config.get(name)!r}")


def read_config(path: Path) -> dict[str, Any]:
    """UserError where there is no such file or it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"config: cannot read {path}: {reason(error)}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of thousands of digits, a deep nesting
        raise UserError(f"config: {path} is no TOML: {message(error)}") from None
