"""The option that may help where code could not be run."""

from __future__ import annotations

from torchref.check.reading.forms.calling import UserError
from torchref.check.reading.forms.form import Form
from torchref.check.reading.forms.recognise import FORMS

# what no option of ours mends: the code itself is not complete
OF_THE_CODE = (NameError, ImportError, SyntaxError, NotImplementedError, ZeroDivisionError)


def option_that_helps(problem: Exception, form: Form | None) -> str:
    """In which order the arguments were taken, as the option that says otherwise; or that another form can be named."""
    if "--" in str(problem):  # it names the option itself
        return ""
    if isinstance(problem, UserError) and isinstance(problem.original, OF_THE_CODE):
        return ""
    if form is None:
        return f"--form says what it is: {', '.join(FORMS)}"
    known = {"dy", "cache", "output", *(a.name for a in form.op.arguments)}
    taken = ",".join(f"{own}={role}" for own, role in form.matching.roles.items() if role in known)
    another = f"--form, if it is no {form.name}"
    return f"--arguments {taken} is how I took your arguments: say it otherwise; {another}" if taken else another
