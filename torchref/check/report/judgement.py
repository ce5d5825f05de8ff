"""The answer: right, wrong with findings, or could not be run."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

RIGHT, WRONG, COULD_NOT_RUN = "right", "wrong", "could-not-run"
STATUS = {RIGHT: 0, WRONG: 1, COULD_NOT_RUN: 2}

SLUGS: dict[str, str] = {
    "mean-instead-of-sum": "A sum is divided by the number of its terms, or a mean is not.",
    "wrong-reduction": "A loss, a pooling or a mean divides by the wrong number.",
    "wrong-sign": "A sign is wrong.",
    "transposed": "A matrix is used or returned transposed.",
    "broadcast-axis-not-summed": "A parameter was broadcast in the forward: sum its gradient over that axis.",
    "summed-over-wrong-axis": "A sum or mean runs over the wrong axis.",
    "keepdims-left-on": "The gradient has a spare axis of length 1.",
    "local-derivative-missing": "A factor or term of the local derivative is missing.",
    "derivative-at-wrong-tensor": "The derivative is evaluated at the wrong tensor.",
    "upstream-not-multiplied": "The upstream gradient is not multiplied in.",
    "wrong-mask": "A mask or threshold lets the wrong entries through.",
    "softmax-elementwise": "Softmax is treated like a function of each entry alone.",
    "softmax-wrong-axis": "Softmax, or its backward, runs over the wrong axis.",
    "softmax-jacobian-twice": "The derivative of softmax or sigmoid is applied twice: the formula holds it already.",
    "statistics-as-constants": "Statistics that depend on x are treated as constants.",
    "variance-path-missing": "The path through the variance is missing or has the wrong weight.",
    "scale-forgotten": "A constant factor of the operation is lost or misplaced.",
    "eps-or-bessel-misplaced": "eps or Bessel's correction stands in the wrong place.",
    "running-statistics": "The running statistics are updated wrongly.",
    "dropout-mask-or-scale": "Dropout's mask or its scale 1 / (1 - p) is wrong.",
    "repeated-index-overwritten": "An index that occurs more than once keeps only one of its gradients.",
    "overwritten-not-accumulated": "Gradients that must be added overwrite each other.",
    "pool-ties": "Ties of a maximum are not given to the first.",
    "recurrence-truncated": "A path back through time is missing.",
    "kernel-flipped": "The kernel is turned round, or the result is cut at the wrong place.",
    "attention-scale": "The factor 1 / sqrt(d) of attention is missing or wrong.",
    "wrong-shape": "The gradient does not have the shape of its argument.",
    "wrong-dtype": "The gradient has a lower precision than its argument.",
    "argument-changed": "The code changes an array that it was given.",
    "memory-layout": "The backward reads the upstream gradient as if it were contiguous.",
    "frozen-input": "A gradient is missing, or another, where an input needs none.",
    "block-remainder": "It is right at small sizes, and wrong where its blocks leave a rest.",
    "second-derivative": "The double backward is not the derivative of the backward.",
    "absent-argument": "The backward fails, or is another, where an optional argument is absent.",
    "not-repeatable": "Two backwards of one forward disagree.",
    "not-finite": "The result is nan or infinite where the right one is finite.",
    "forward-differs": "The forward itself is not the operation's.",
    "unknown": "The gradient is wrong in a way that fits no known mistake.",
    "optimizer-eps": "eps stands in the wrong place.",
    "optimizer-bias-correction": "The bias correction is missing or wrong.",
    "optimizer-decay": "The weight decay is applied in the wrong way.",
    "optimizer-dampening": "The momentum's dampening is wrong.",
    "optimizer-nesterov": "Nesterov's look-ahead is missing or wrong.",
    "optimizer-state": "The optimizer's state is not kept properly.",
}

FIELDS = {  # of a finding, at a level of hints
    1: ("gradient",),
    2: ("gradient", "slug", "sentence", "confidence", "consequences", "evidence", "intermediate", "example", "line"),
}
DOUBTS = ("unknown", "forward-differs")  # the cause may be how we called the code


class Confidence(IntEnum):
    """How sure a finding is. A search goes on after a finding that is not certain."""

    UNKNOWN = 0  # it is wrong, and fits no known mistake
    GUESS = 1  # it is like a mistake, but not equal to it
    POSSIBLE = 2  # two mistakes at once, a part of a path
    LIKELY = 3  # it fits, and something else might fit as well
    CERTAIN = 4  # it equals the mistake, number for number

    @property
    def word(self) -> str:
        return self.name.lower()

    @property
    def unconfirmed(self) -> Confidence:
        """The confidence of a finding that fits on one probe alone."""
        return Confidence.LIKELY if self is Confidence.CERTAIN else Confidence.GUESS


@dataclass
class Finding:
    """One mistake. `gradient` is torch's name of the argument whose gradient has the faulty term."""

    gradient: str
    slug: str
    evidence: str
    confidence: Confidence
    sentence: str = ""
    correction: str = ""
    consequences: list[str] = field(default_factory=list)
    derivation: str = ""
    formula: str = ""  # the right one
    intermediate: str = ""  # the first named intermediate that differs from the reference's
    line: int = 0  # of the user's file, where the mistake stands; 0: not known
    example: str = ""  # the smallest example in numbers, for a mistake without a name

    def as_dict(self, hints: int = 3) -> dict[str, Any]:
        full = {**vars(self), "confidence": self.confidence.word}
        return full if hints >= 3 else {k: full[k] for k in FIELDS[hints]}


@dataclass
class Judgement:
    """The answer to "is this gradient right?"; `findings` holds the mistakes, the likeliest first."""

    verdict: str
    against: str = ""
    name: str = ""
    file: str = ""  # where it stands
    form: str = ""
    seconds: float = 0.0  # how long it took
    findings: list[Finding] = field(default_factory=list)
    right: dict[str, float] = field(default_factory=dict)  # gradient: error / what rounding allows
    notes: list[str] = field(default_factory=list)
    yours: dict[str, str] = field(default_factory=dict)  # torch's argument: the user's name for it
    error: str = ""  # why it could not be run
    called: str = ""  # how the code was called
    option: str = ""  # what may help
    not_judged: dict[str, str] = field(default_factory=dict)  # gradient: the reason
    not_run: list[str] = field(default_factory=list)  # what the code takes beyond what it was run with
    precision: str = ""  # and device: in which, and where, the code was judged
    device: str = ""
    source: list[dict[str, Any]] = field(default_factory=list)  # the user's code: text and number of its first line
    pictures: list[dict[str, Any]] = field(default_factory=list)  # mine, reference, difference of each gradient

    @property
    def ok(self) -> bool:
        """Whether everything is right, and everything was judged."""
        return self.status == 0

    @property
    def status(self) -> int:
        """0: all of it is right, 1: something is wrong, 2: it could not be run, or not all of it could be judged."""
        return STATUS[COULD_NOT_RUN] if self.verdict == RIGHT and self.not_judged else STATUS[self.verdict]

    @property
    def doubtful(self) -> bool:
        """Whether the code may have been called in another way than it is meant."""
        return any(f.slug in DOUBTS for f in self.findings)

    @property
    def place(self) -> str:
        """Where the code stands: FILE.py:NAME."""
        return f"{self.file}:{self.name}" if self.file else self.name

    @property
    def outcome(self) -> str:
        """The word of the headline; RIGHT names the gradients that are right, and those that were not judged."""
        if self.verdict != RIGHT or self.form == "optimizer":
            return self.verdict.upper()
        words = f"RIGHT for {listed(list(self.right))}"
        for why in dict.fromkeys(self.not_judged.values()):
            words += f"; {listed([n for n, w in self.not_judged.items() if w == why])} not judged: {why}"
        return words

    def as_dict(self, hints: int = 3) -> dict[str, Any]:
        findings = [f.as_dict(hints) for f in self.findings] if hints > 0 else []
        if hints == 1:
            findings = [dict(t) for t in dict.fromkeys(tuple(f.items()) for f in findings)]
        result: dict[str, Any] = {
            "verdict": self.verdict,
            "name": self.name,
            "against": self.against,
            "form": self.form,
            "findings": findings,
        }
        if self.verdict != COULD_NOT_RUN and hints > 0:
            result["right"] = self.right
            result["not_judged"] = self.not_judged
        if self.notes and (hints >= 2 or self.verdict == RIGHT):
            result["notes"] = self.notes
        for key in ("file", "error", "called", "option", "precision", "device", "not_run"):
            if getattr(self, key):
                result[key] = getattr(self, key)
        return result

    def title(self, name: str) -> str:
        """A gradient's name, with the user's own name for its argument."""
        own = self.yours.get(name)
        return title(name) + (f" (your {own})" if own and own != name else "")

    def text(self, hints: int = 3) -> str:
        """The answer for a reader."""
        against = f" against {self.against}" if self.against else ""
        where = f", {self.precision} on {self.device}" if self.precision and self.verdict != COULD_NOT_RUN else ""
        head = f"{self.name or 'the gradient'}{against}" + (f" (form: {self.form}{where})" if self.form else "")
        if self.verdict == COULD_NOT_RUN:
            return f"{head}: could not be run:{self.why()}"
        lines = [f"{head}: {self.outcome}"]
        if hints >= 2 and self.doubtful:
            lines += [f"  call   {self.called}"]
        if hints >= 1:
            lines += [
                f"  ok     {self.title(n)}{': ' + inside(s) if hints >= 3 else ''}" for n, s in self.right.items()
            ]
        if hints == 1:
            lines += [f"  wrong  {self.title(n)}" for n in dict.fromkeys(f.gradient for f in self.findings)]
        if hints >= 2:
            lines += [line for f in self.findings for line in self.about(f, hints)]
        if hints >= 2 or self.verdict == RIGHT:
            lines += [f"  note   {n}" for n in self.notes]
            lines += [f"  not run: {', '.join(self.not_run)}"] if self.not_run else []
            lines += [f"  option: {self.option}"] if self.option else []
        return "\n".join(lines)

    def why(self) -> str:
        """Why the code could not be run: how it was called, what happened, what may help."""
        words = [t for t in (self.called, self.error) if t] + ([f"option: {self.option}"] if self.option else [])
        apart = "\n  " if len(words) > 1 or "\n" in self.error else " "  # a cause of one line stays on the line
        return apart + "\n".join(words).replace("\n", "\n  ")

    def about(self, f: Finding, hints: int) -> list[str]:
        """The lines of a finding."""
        sure = f"  ({f.confidence.word})" if hints >= 3 else ""
        lines = [f"  wrong  {self.title(f.gradient)}: {f.slug}{sure}"]
        words = [f.sentence or SLUGS.get(f.slug, ""), f"evidence: {f.evidence}"]
        words += [f"example: {f.example}"] if f.example else []
        words += [f"where: {f.intermediate}"] if f.intermediate else []
        words += [f"this spoils {', '.join(title(c) for c in f.consequences)}, too"] if f.consequences else []
        if hints >= 3:
            words += [f"instead: {f.correction}"] if f.correction else []
            words += ["formula: " + f.formula.replace("\n", "\n" + " " * 18)] if f.formula else []
            words += [f"derivation: {f.derivation}"] if f.derivation else []
        return lines + [f"         {line}" for line in words]

    __str__ = text


def listed(names: list[str]) -> str:
    """input, weight and bias"""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def inside(share: float) -> str:
    """How small the error of a right gradient is, in words."""
    if share > 1:
        return "right, with a note"
    return "equal to the last digit" if share == 0 else f"its error is {share:.1g} of what rounding allows"


def title(name: str) -> str:
    """A gradient as the text names it: dinput; `output` and `running_mean` keep their names."""
    return name if name == "output" or name.startswith("running_") or "grad" in name else f"d{name}"
