"""The `torchref` command. Each subcommand is a module with `Options`, a frozen dataclass whose docstring is its help,
and `run(options) -> exit status`; the module is imported only when its subcommand is called.

Exit status: 0 equal, 1 a mismatch, 2 what a user can put right (one line on stderr; or a report that proves nothing, as
every gradient is zero), 3 a fault of torchref's own (its traceback; for `referee` also: not all was judged, as its
report says), 130 interrupted.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import io
import os
import re
import sys
from collections.abc import Sequence

import torchref
from torchref.compare.errors import UserError
from torchref.nearest import nearest

__all__ = ["COMMANDS", "main"]

COMMANDS = {  # name -> (module, one-line help)
    "check": ("torchref.cli.commands.check", "judge a gradient derived by hand, and say what is wrong with it"),
    "compare": ("torchref.cli.commands.compare", "train a NumPy network and its torch twin in lockstep"),
    "exercises": ("torchref.cli.commands.exercises", "write skeletons with empty backwards, and their assignment"),
    "grade": ("torchref.cli.commands.grade", "grade what a class has handed in"),
    "list": ("torchref.cli.commands.list", "list the comparisons that ship"),
    "referee": ("torchref.cli.commands.referee", "judge every gradient of any PyTorch model, and say where they part"),
    "view": ("torchref.cli.commands.view", "look at runs in TensorBoard, NumPy over torch"),
}
SPELT = "torchref.spelt"  # how characters are encoded that the output's encoding lacks
SPELLINGS = {"µ": "u", "±": "+-", "−": "-", "–": "-", "×": "x", "→": "->", "…": "...", "²": "^2", "√": "sqrt "}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=SPELT)
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()  # what cannot be written shows here, and not when Python ends
        return status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `torchref list | head`: nobody reads on
        sys.stderr.close()
        return 0
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it is, one line and a status are the answer)
        return _answer(error)


def _answer(error: BaseException) -> int:
    """Say what went wrong; returns the exit status."""
    from torchref.compare.faults import explained, report_fault

    line = explained(error)
    if line is None and isinstance(error, SystemExit):  # tyro's, after a help text
        raise error
    try:
        sys.stdout.flush()
    except OSError:  # a full disk: Python would try again when it ends, and say so in lines of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if line is None:
        report_fault(error)
        return 3
    print(f"torchref: {line}", file=sys.stderr)
    return 2


def _spelt(error: UnicodeError) -> tuple[str, int]:
    """The spelling of a character that the output's encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)
    unknown = error.object[error.start : error.end]
    return "".join(SPELLINGS.get(c, c.encode("ascii", "backslashreplace").decode()) for c in unknown), error.end


codecs.register_error(SPELT, _spelt)


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["help"]:  # `torchref help compare` is `torchref compare --help`
        arguments = [*arguments[1:2], "--help"]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"torchref {torchref.__version__}")
        return 0
    if arguments[0] == "completion":
        from torchref.cli.completion import HELP, completion_script

        if arguments[1:2] in (["-h"], ["--help"]):
            print(HELP)
            return 0
        print(completion_script(" ".join(arguments[1:]), COMMANDS), end="")
        return 0
    command = arguments[0]
    if command not in COMMANDS:
        raise UserError(f"there is no command {command!r}: {_meant(command)}")
    module = importlib.import_module(COMMANDS[command][0])
    status: int = module.run(_parse(module.Options, command, arguments[1:]))
    return status


def _meant(command: str) -> str:
    """What somebody may have meant who typed this for a command."""
    from torchref.compare.catalogue import listing

    if command.lstrip("-").lower() in ("v", "version"):
        return "torchref --version says which torchref this is"
    if command.replace("-", "_") in listing() or command.endswith(".py"):
        return f"did you mean torchref compare {command}?"
    return nearest(command, [*COMMANDS, "help", "completion"])


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: torchref COMMAND [OPTIONS]",
            "",
            "The reference for backpropagation: NumPy networks beside their torch twins, every gradient compared.",
            "",
            *lines,
            "",
            "torchref COMMAND --help says what a command takes; torchref --version, which torchref this is;",
            "torchref completion bash (zsh, fish), the script that completes it: see the manual, Getting started.",
        ]
    )


def _parse(options: type, command: str, arguments: list[str]) -> object:
    """Parse with tyro; its boxes of several lines become the one line that every other error has."""
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                options,
                prog=f"torchref {command}",
                args=arguments,
                config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(f"{command}: {_one_line(said.getvalue())}") from None


def _one_line(box: str) -> str:
    """What a box of tyro's says: its first paragraph, and the first of the options that it proposes."""
    lines = [line.strip("│╭╰╮╯─ ") for line in box.splitlines()]
    lines = ["" if not line.strip("-") else line for line in lines]  # rules, where the terminal knows no box characters
    text = "\n".join(lines).strip().partition("\n")[2].strip()  # without the title
    said = text.partition("\n\n")[0].replace("\n", " ").rstrip(".")
    proposed = re.search(r"Perhaps you meant:\s+(--\S+)", text)
    return said + (f" (did you mean {proposed[1]}?)" if proposed else "")
