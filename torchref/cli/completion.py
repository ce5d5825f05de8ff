"""Completion of the `torchref` command in a shell: the script that the shell reads."""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from collections.abc import Mapping

from torchref.compare.errors import UserError
from torchref.nearest import nearest

__all__ = ["HELP", "SHELLS", "completion_script"]

SHELLS = ("bash", "zsh", "fish")
HELP = """usage: torchref completion bash|zsh|fish

Print the script with which a shell completes commands, options and files. The manual, Getting started, says where to
put it."""


def completion_script(shell: str, commands: Mapping[str, tuple[str, str]]) -> str:
    """The script with which a shell completes the commands and their options.

    `commands`: name -> (module with its `Options`, help). UserError for a shell that is not known.
    """
    import tyro

    if shell not in SHELLS:
        raise UserError(f"completion: there is no script for {shell!r}: {nearest(shell, SHELLS)}")
    parsers = {name: importlib.import_module(module).Options for name, (module, _) in commands.items()}
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        tyro.extras.subcommand_cli_from_dict(
            parsers,
            prog="torchref",
            args=["--tyro-print-completion", shell],
            config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff),
        )
    return with_files(said.getvalue())


def with_files(script: str) -> str:
    """The script, with the names of files where it has nothing of its own to propose, as that of zsh already has."""
    script = re.sub(r"^complete -F", "complete -o default -F", script, flags=re.MULTILINE)  # bash
    return script.replace("complete --no-files ", "complete ")  # fish
