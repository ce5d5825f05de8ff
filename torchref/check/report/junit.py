"""The verdicts as JUnit XML in pytest's form, which CI shows beside the tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from torchref.check.report.judgement import COULD_NOT_RUN, WRONG, Judgement

NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # characters that XML cannot hold


def junit(verdicts: Sequence[Judgement], hints: int | Sequence[int], command: str = "torchref check") -> str:
    """The XML. A wrong gradient is a failure. Code that could not be run, or not be judged as a whole, is an error.

    `hints` is one level for all, or one for each. `command` is what the suite is called by.
    """
    levels = [hints] * len(verdicts) if isinstance(hints, int) else hints
    root = ElementTree.Element("testsuites", name=command)
    wrong = sum(v.verdict == WRONG for v in verdicts)
    errors = sum(v.status == 2 for v in verdicts)
    counts = {"errors": str(errors), "failures": str(wrong), "skipped": "0", "tests": str(len(verdicts))}
    time = f"{sum(v.seconds for v in verdicts):.3f}"
    suite = ElementTree.SubElement(root, "testsuite", {"name": command, **counts, "time": time})
    for v, level in zip(verdicts, levels, strict=True):
        _add_case(suite, v, level)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _add_case(suite: ElementTree.Element, v: Judgement, hints: int) -> None:
    name = f"{v.name} against {v.against}" if v.against else v.name
    places = {"classname": _shown(v.file or "torchref.check"), "name": _shown(name), "time": f"{v.seconds:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", places)
    if v.ok:
        return
    kind = "failure" if v.verdict == WRONG else "error"
    message = "could not be run" if v.verdict == COULD_NOT_RUN else v.outcome
    ElementTree.SubElement(case, kind, message=_shown(message)).text = _shown(v.text(hints))


def _shown(text: str) -> str:
    """The text without the characters that XML cannot hold."""
    return NO_XML.sub(lambda found: f"#x{ord(found[0]):02X}", text)
