"""The subcommands of `torchref`, one a module: `Options` (a frozen dataclass) and `run(options) -> exit status`."""

from typing import Any

import tyro

__all__ = ["option"]


def option(metavar: str | None = None) -> Any:
    """How an option's value is named in the help. Defaults stand in the help's text, where they can be explained."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint="")
