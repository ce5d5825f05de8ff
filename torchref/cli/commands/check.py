"""`torchref check`: is this gradient right, and if not, what is wrong with it?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from torchref.cli.commands import option
from torchref.compare.errors import UserError
from torchref.compare.faults import reason

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Options:
    """Judge a gradient that you derived by hand, and say what is wrong with it.

    torchref check student.py:layer_norm --against layer_norm; or LayerNorm, "conv2d(stride=2)", "Adam(lr=1e-3)".
    Several at once: torchref check student.py:ln=layer_norm student.py:Conv=conv2d. In a file or a directory the names
    of operations say what is judged, or comments, `# torchref: NAME against OP`. NAME is a function that returns output
    and backward, a gradient function, a class with forward and backward, a torch.autograd.Function, an optimizer's
    step, the stem of NAME_forward and NAME_backward, or a whole network, which is judged by its own loss.
    Exit status 0: all is right, 1: something is wrong, 2: it could not be run, or a part was not judged.
    """

    targets: Annotated[tuple[str, ...], tyro.conf.Positional, option("FILE.py[:NAME][=OP]")]
    """What to judge."""
    against: Annotated[str | None, option("OP")] = None
    """What the code should compute: torch's name, with options; FILE.py:FUNCTION, a forward of your own in torch or
    NumPy; or forward, the code's own forward or loss."""
    form: Annotated[str | None, option("FORM")] = None
    """closure, pair, class, function, autograd, network or optimizer, if the form is not recognised."""
    arguments: Annotated[str | None, option("NAMES")] = None
    """torch's arguments in your order (input,weight,eps), or conventions that differ (W=weight.T, p=1-p)."""
    only: Annotated[str | None, option("GRADIENTS")] = None
    """The gradients to judge (input,weight); the others do not count."""
    inputs: Annotated[str | None, option("FILE.py:FUNCTION")] = None
    """A function that makes the arrays for a forward of your own, by name or in order."""
    sizes: Annotated[str | None, option("N=64,D=32")] = None
    """The lengths of the axes: N, T, D, M, C, H, W, K; of a network, its constructor's arguments."""
    hints: Annotated[int, option("{0,1,2,3}")] = 3
    """How much the answer says: 0 right or wrong, 1 which gradient, 2 what kind of mistake, 3 (the default)
    the correction."""
    timeout: Annotated[float, option("SECONDS")] = 60.0
    """How long the code may run. Default: 60."""
    device: Annotated[str | None, option("{cpu,cuda}")] = None
    """Where a torch.autograd.Function runs (a Triton or CUDA kernel: cuda)."""
    strict: Annotated[bool, option()] = False
    """The conventions of other texts are mistakes: a halved loss, a running variance by n, eps elsewhere."""
    html: Annotated[Path | None, option("FILE")] = None
    """Write a page with pictures: mine, reference and difference."""
    junit: Annotated[Path | None, option("FILE")] = None
    """Write the verdicts as JUnit XML, for CI."""
    json: Annotated[bool, option()] = False
    """Print the verdict as JSON."""
    list: Annotated[bool, option()] = False
    """Print the operations that code can be checked against."""


def run(options: Options) -> int:
    """Judge, print, and write the page."""
    from torchref.check.api import Asked, in_files, split
    from torchref.check.ops import catalogue
    from torchref.check.reading.targets import passed_over
    from torchref.check.report import several

    if options.list:
        print(catalogue.listing())
        return 0
    if options.hints not in (0, 1, 2, 3):
        raise UserError(f"check: --hints must be 0, 1, 2 or 3, not {options.hints}")
    if not options.targets:
        raise UserError("check: say what to judge: FILE.py:NAME --against OP")
    if options.timeout <= 0:
        raise UserError(f"check: --timeout must be positive, not {options.timeout:g}")
    how = Asked(
        options.against,
        options.form,
        split(options.arguments),
        options.device,
        options.inputs,
        options.sizes,
        split(options.only),
        options.strict,
    )
    verdicts = in_files(options.targets, how, options.timeout)
    if options.html is not None:
        from torchref.check.report.html import page

        write(options.html, page(verdicts, options.hints))
    if options.junit is not None:
        from torchref.check.report.junit import junit

        write(options.junit, junit(verdicts, options.hints))
    if options.json:
        print(several.as_json(verdicts, options.hints))
    else:
        directories = [word for word in options.targets if os.path.isdir(word)]
        print(several.as_text(verdicts, options.hints, bool(directories), passed_over(directories)))
    return several.status(verdicts)


def write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"check: cannot write {path}: {reason(error)}") from None
