"""A wrong formula of the checker's table as a student's code, and what `torchref check` finds in it."""

from __future__ import annotations

import ast

from tests.check.ops.test_mistakes import as_closure
from torchref.check.api import Asked, in_file
from torchref.check.diagnosis import diagnose, optimizers
from torchref.check.ops.find import find
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.ops.probe import make_probe
from torchref.check.ops.steps import _compiled, right_lines
from torchref.check.reading.forms.optimizer import Settings


def found_in(operation, wrong):
    """The first finding in the code of `operation` with the line `wrong` in it, and the right line."""
    if optimizers.names(operation):
        return found_in_step(operation, wrong)
    op = find(operation)
    probe = make_probe(op, 0)
    mistake = next(m for m in op.formula.wrong(op, probe.namespace()) if m.flag == wrong)
    verdict = diagnose.diagnose(as_closure(op, probe.values, (wrong,)), op, strict=True)
    assert verdict.verdict == "wrong", (operation, wrong, verdict.text(3))
    return verdict.findings[0], mistake.correction


def found_in_step(operation, wrong):
    """The same for an optimizer: the textbook's step as a student's function of a weight, a gradient and a state."""
    name = optimizers.names(operation)
    optimizer = OPTIMIZERS[name]
    o = Settings(name, optimizers.options_of(name, operation), set(optimizer.defaults)).o
    slip = next(s for s in optimizer.slips if s.wrong == wrong)

    def call(w, dw, state, lr, **options):
        return textbook_step(optimizer, {**vars(o), **options}, slip)(w, dw, state, lr), state

    named = [n for n, value in optimizer.defaults.items() if n != "lr" and not isinstance(value, bool)]
    source = f"""def student(w, dw, state, lr, {", ".join(f"{n}={optimizer.defaults[n]!r}" for n in named)}):
    next_w, state = call(w, dw, state, lr, {", ".join(f"{n}={n}" for n in named)})
    return next_w, state
"""
    space = {"call": call}
    exec(source, space)
    verdict = optimizers.diagnose(space["student"], operation, "student", strict=True)
    assert verdict.verdict == "wrong", (operation, wrong, verdict.text(3), verdict.error)
    return verdict.findings[0], right_lines(optimizer, o, slip)


def textbook_step(optimizer, options, slip):
    """The step of the textbook with the lines of `slip` in it."""
    options = {k: v for k, v in options.items() if k != "lr"}
    chosen = tuple((k, tuple(v) if isinstance(v, list) else v) for k, v in options.items())
    step = _compiled(optimizer.step, chosen, tuple(slip.changes.items()))
    return lambda w, g, s, lr: step(w, g, s, lr, **options)


def told(code, folder):
    """What `torchref check mistakes.py:NAME --against forward --hints 2` finds in each function of `code`."""
    file = folder / "mistakes.py"
    file.write_text(code)
    lines = []
    for name in [n.name for n in ast.parse(code).body if isinstance(n, ast.FunctionDef)]:
        verdict = in_file(str(file), name, Asked(against="forward"))
        headline, *rest = verdict.text(2).splitlines()
        shown = False
        lines.append(headline)
        for line in rest:
            shown = line.startswith("  wrong") or (shown and line.startswith("         "))
            if shown:
                lines.append(line.split("; as it stands")[0])
    return "\n".join(lines).replace(f"{file}:", "") + "\n"
