"""The manual's page names every slug and alias, and its transcript is what the command prints."""

import re
import tomllib
from pathlib import Path

from torchref.check.diagnosis import optimizers
from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading.arguments import ALIASES
from torchref.check.report.derivation import derivation
from torchref.check.report.verdict import SLUGS
from torchref.cli.command_line import main

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "manual" / "checking-a-gradient.md").read_text()


def test_slugs_and_aliases():
    """Catches a slug or an alias that the page does not have, or has twice."""
    for slug, sentence in SLUGS.items():
        assert f"| `{slug}` | {sentence} |" in PAGE
    for names in (names for names in ALIASES.values() if len(names) > 1):
        assert len(names) == len(set(names)), f"listed twice: {sorted(names)}"
        for name in names:
            assert f"`{name}`" in PAGE
    for row in re.findall(r"^\| `\w+`.* \| (`.*`) \|$", PAGE, re.MULTILINE):
        listed = re.findall(r"`[^`]+`", row)
        assert len(listed) == len(set(listed)), f"listed twice: {row}"


def test_every_operation_is_listed(capsys):
    """Catches an operation, or an optimizer, that `torchref check --list` does not print."""
    assert main(["check", "--list"]) == 0
    printed = set(re.findall(r"\w+", capsys.readouterr().out))
    assert {op.name for op in CATALOGUE} | set(OPTIMIZERS) <= printed
    assert "`torchref check --list`" in PAGE


def test_transcript(tmp_path, monkeypatch, capfd):
    """Catches a transcript that is no longer what the command prints."""
    for name, code in re.findall(r"The file\s+`(\w+\.py)`[^`]*```python\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    transcripts = re.findall(r"```\n\$ torchref (.*?)\n(.*?)```", PAGE, re.DOTALL)
    assert len(transcripts) == 4
    for command, said in transcripts:
        assert main(command.split()) == 1
        assert capfd.readouterr().out == said


def test_derivation_pages_exist():
    """Catches a verdict that sends its reader to a page that is not there."""
    site = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Documentation"]
    said = {derivation(op) for op in CATALOGUE} | {optimizers.derivation(o) for o in OPTIMIZERS.values()}
    pages = {address for words in said for address in re.findall(r"https?://[^\s,]+|\S+\.md", words)}
    assert len(pages) > 10
    for page in pages:
        assert page.startswith(site), f"{page} is no page of the site"
        assert (ROOT / "manual" / page.removeprefix(site)).with_suffix(".md").exists()
