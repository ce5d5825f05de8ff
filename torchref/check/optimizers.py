"""An optimizer's step against torch's."""

from __future__ import annotations

from typing import Any

from torchref.check.verdict import COULD_NOT_RUN, Verdict


def names(against: str) -> str | None:
    """The optimizer that `against` names, if it names one."""
    return next(
        (
            n
            for n in ("SGD", "AdamW", "Adam", "RMSprop", "Adagrad")
            if against.split("(")[0].split(".")[-1].lower() == n.lower()
        ),
        None,
    )


def diagnose(function: Any, against: str, stated: list[str] | None, name: str) -> Verdict:
    return Verdict(COULD_NOT_RUN, error="optimizers are not judged yet")
