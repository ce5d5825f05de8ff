"""Puts the verdicts of all lessons into the manual.

    torchref compare --all --out runs/verdicts
    python manual/_site/verdicts.py runs/verdicts/lessons.json

or, of lessons that are new or changed, `runs/NAME/lesson.json ...`: the others stay as they are.

It writes `manual/learn/verdicts.json` (what is shown, no more), the page `manual/learn/verdicts.md`, and in the pages
of `manual/learn/` what stands between `<!-- verdict: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from torchref.compare.catalogue import lessons

LEARN = Path(__file__).parents[1] / "learn"
BLOCK = re.compile(r"<!-- verdict: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
ROLES = {"claim": "", "limit": "but: ", "instead": "instead: ", "beside": "beside: "}
Verdict = dict[str, Any]


def shown(taught: Verdict) -> Verdict:
    """What of a lesson's result the manual shows."""
    findings = [{key: f[key] for key in ("text", "confirmed", "figures", "role")} for f in taught["findings"]]
    return {key: taught[key] for key in ("name", "claim", "verdict", "seeds")} | {"findings": findings}


def block(verdict: Verdict) -> str:
    """The verdict on a page: the claim, what became of it, and its findings, folded."""
    lines = [f"<!-- verdict: {verdict['name']} -->"]
    lines += [f"> **Claim:** {verdict['claim']}", ">"]
    lines += [f"> **Verdict over {verdict['seeds']} seeds: {verdict['verdict']}.**"]
    if verdict["verdict"] == "does not hold":
        lines += ["> Not every part of it was confirmed; the findings say which was."]
    lines += [f"> `torchref compare {verdict['name']}` measures it anew.", ""]
    lines += ["<details><summary>The findings, with their figures</summary>", "", *findings(verdict), "</details>", ""]
    return "\n".join([*lines, "<!-- end -->"])


def findings(verdict: Verdict) -> list[str]:
    """A line for each finding."""
    lines = []
    for finding in verdict["findings"]:
        answer = "yes" if finding["confirmed"] else "no"
        lines.append(f"- **{answer}** {ROLES[finding['role']]}{escaped(finding['text'])}:")
        lines.append(f"  *{escaped(finding['figures'])}*")
    return [*lines, ""]


def escaped(text: str) -> str:
    """Signs that Markdown would take for its own."""
    return re.sub(r"([*_|<>$])", r"\\\1", text)


PAGE = """\
# What the lessons found

Each popular claim was trained over several seeds, NumPy and torch in lockstep, and judged by seeds that took no part in
any choice ([how](../decisions/verdicts-of-lessons.md)). What a verdict covers is the network, the data and the rates of
that lesson, no more. A claim of several parts does not hold as soon as one of them was not confirmed.
`torchref compare NAME` measures one anew.

| lesson | claim | verdict | seeds |
|---|---|---|--:|
"""


def page(verdicts: list[Verdict]) -> str:
    """The page of all verdicts."""
    lines = []
    for v in verdicts:
        lines.append(f"| [{v['name']}](#{v['name']}) | {escaped(v['claim'])} | {v['verdict']} | {v['seeds']} |")
    for v in verdicts:
        lines += ["", f"## {v['name']}", "", escaped(v["claim"]), ""]
        lines += [f"**{v['verdict']}**, over {v['seeds']} seeds.", "", *findings(v)[:-1]]
    return PAGE + "\n".join(lines) + "\n"


def filled(text: str, verdicts: dict[str, Verdict]) -> str:
    """A page's text with its verdicts put in."""
    return BLOCK.sub(lambda found: block(verdicts[found[1]]), text)


def main(*sources: str) -> None:
    """Write all three."""
    verdicts = {verdict["name"]: verdict for verdict in json.loads((LEARN / "verdicts.json").read_text())}
    for source in sources:
        taught = json.loads(Path(source).read_text())
        verdicts |= {t["name"]: shown(t) for t in (taught if isinstance(taught, list) else [taught])}
    by_name = {name: verdicts[name] for name in lessons() if name in verdicts}
    (LEARN / "verdicts.json").write_text(json.dumps(list(by_name.values()), indent=1, ensure_ascii=False) + "\n")
    (LEARN / "verdicts.md").write_text(page(list(by_name.values())))
    for path in sorted(LEARN.glob("*.md")):
        text = path.read_text()
        if (new := filled(text, by_name)) != text:
            path.write_text(new)
            print(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
