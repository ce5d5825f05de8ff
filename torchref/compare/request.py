"""Find the comparison that a user asks for: by name, configuration, own data, and single settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from torchref.compare.catalogue import DEFAULT, find
from torchref.compare.comparison import Comparison
from torchref.compare.configuration import configured, read_config
from torchref.compare.datasets.adapt import as_values
from torchref.compare.datasets.cells import Tell
from torchref.compare.datasets.own import load
from torchref.compare.datasets.table import Choices
from torchref.compare.errors import UserError
from torchref.compare.origin import check_origin, digest_files
from torchref.nearest import nearest

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """A comparison by its name, and what is changed in it.

    Another process can be sent this; it cannot be sent a Comparison, which holds functions.
    """

    name: str | None = None  # a comparison that ships, or a Python file
    config: Path | None = None  # a run's config.toml
    data: Path | None = None  # data of one's own
    choices: Mapping[str, str] = field(default_factory=dict)  # about its table: some of the fields of Choices
    settings: Mapping[str, Any] = field(default_factory=dict)  # some of SETTINGS

    def comparison(self, resumed_in: Path | None = None, tell: Tell = lambda line: None) -> Comparison:
        """The comparison with its settings: its own, over them those of `config`, over them `settings`.

        `resumed_in` is the folder of the runs: without `config`, the stored run's configuration stands in for it.
        `tell` gets a line for each guess about data of the user's own.
        """
        config = read_config(self.config) if self.config else {}
        named = self.name or config.get("file") or config.get("comparison", DEFAULT)
        if not isinstance(named, str):
            raise UserError(f"config: comparison and file must be names, not {named!r}")
        comparison = find(named)
        if resumed_in is not None and not self.config:
            stored = resumed_in / comparison.name / "config.toml"
            if not stored.exists():
                raise UserError(f"resume: there is no run in {resumed_in / comparison.name} (it has no config.toml)")
            config = read_config(stored)
            check_origin(stored, {"files": digest_files(comparison)})  # before what is stored is put into other files
        comparison = self._on_own_data(comparison, config, tell)
        return replace(configured(comparison, config), **self.settings)

    def _on_own_data(self, comparison: Comparison, config: Mapping[str, Any], tell: Tell) -> Comparison:
        """`comparison` on the data that are named here, or in the configuration; as it is where neither does."""
        stored = config.get("data", {})
        if not isinstance(stored, dict) or not all(isinstance(value, str) for value in stored.values()):
            raise UserError(f"config: data must be a table of path and label, not {stored!r}")
        if self.data is not None:
            stored = {"path": str(self.data), **self.choices}
        elif self.choices:
            raise UserError(f"{next(iter(self.choices))}: it is about the file that --data gives, and there is none")
        if not stored:
            return comparison
        known = ("path", *(choice.name for choice in fields(Choices)))
        for key in stored:
            if key not in known:
                raise UserError(f"config: data: unknown key {key!r}: {nearest(key, known)}")
        path, wanted = Path(stored.get("path", "")), {key: value for key, value in stored.items() if key != "path"}
        if comparison.adapt is as_values and path.suffix in (".csv", ".tsv", ".gz"):
            wanted.setdefault("target", "value")
        return comparison.on(load(path, Choices(**wanted), tell=tell), stored)
