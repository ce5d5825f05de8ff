"""Writes the pages of the reference: a page for each file of the library, each name beside torch's."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import docstrings

ROOT = Path(__file__).parents[2]
CERTIFICATE = {row["module"]: row for row in json.loads((ROOT / "manual" / "certificate.json").read_text())["rows"]}


WITH_METHODS = {"Module", "Parameter", "Optimizer", "LRScheduler"}


def derived() -> dict[tuple[str, str], str]:
    """Where a name is derived: (torch's package, name) -> page and heading, as the derivations' own index says."""
    found: dict[tuple[str, str], str] = {}
    for section in re.split(r"^## ", (ROOT / "manual" / "derivations" / "README.md").read_text(), flags=re.MULTILINE):
        title, _, text = section.partition("\n")
        found |= {(title, name): target for name, target in re.findall(r"\[`(\w+)`\]\(([^)]+)\)", text)}
    return found


DERIVED = derived()


class Part(NamedTuple):
    """A package of the library: its name here, torch's name, what the certificate puts in front, its heading."""

    package: str
    torch: tuple[str, ...]
    prefix: str
    title: str
    members: bool = False  # classes with their methods


PARTS = (
    Part("torchref.nn", ("torch.nn",), "", "Modules and functions"),
    Part("torchref.nn.functional", ("torch.nn.functional", "torch"), "functional.", "Modules and functions"),
    Part("torchref.nn.init", ("torch.nn.init",), "init.", "Initialisation"),
    Part("torchref.nn.utils", ("torch.nn.utils",), "utils.", "Utilities of torch.nn"),
    Part("torchref.nn.utils.rnn", ("torch.nn.utils.rnn",), "utils.rnn.", "Utilities of torch.nn"),
    Part("torchref.tensor", ("torch", "torch.Tensor", "torch.special"), "tensor.", "Tensor functions"),
    Part("torchref.optim", ("torch.optim",), "", "Optimizers"),
    Part("torchref.optim.lr_scheduler", ("torch.optim.lr_scheduler",), "", "Learning rate schedules"),
    Part("torchref.optim.swa_utils", ("torch.optim.swa_utils",), "", "Averaged weights"),
    Part("torchref.check", (), "", "Checking a gradient", True),
    Part("torchref.referee", (), "", "The referee", True),
    Part("torchref.compare", (), "", "Training in lockstep", True),
    Part("torchref.twin", (), "", "Twins"),
    Part("torchref.circuit", (), "", "Circuits", True),
    Part("torchref.models", (), "", "Networks for both engines"),
)


class Entry(NamedTuple):
    """A public name, where it is documented."""

    part: Part
    name: str
    thing: Any

    @property
    def path(self) -> str:
        return f"{self.part.package}.{self.name}"

    @property
    def file(self) -> str:
        """The module whose file it stands in, as far as it is one of the part's."""
        return inspect.unwrap(self.thing).__module__


def entries() -> list[Entry]:
    """All public names, in the order of their lines in the source."""
    found = []
    for part in PARTS:
        package = importlib.import_module(part.package)
        for name in package.__all__:
            thing = getattr(package, name)
            if not isinstance(thing, ModuleType) and callable(thing) and thing.__module__.startswith("torchref"):
                found.append(Entry(part, name, thing))
    return sorted(found, key=lambda entry: (PARTS.index(entry.part), line(entry)))


def line(entry: Entry) -> int:
    """Where it begins in its file."""
    return inspect.getsourcelines(inspect.unwrap(entry.thing))[1]


def in_torch(entry: Entry) -> str:
    """torch's name for it, or nothing."""
    for package in entry.part.torch:
        names = package.split(".")
        place = importlib.import_module("torch")
        for name in names[1:]:
            place = getattr(place, name)
        if hasattr(place, entry.name):
            return f"{package}.{entry.name}"
    return ""


def certified(entry: Entry) -> str:
    """The row of the certificate as a line."""
    row = CERTIFICATE.get(entry.part.prefix + entry.name)
    if row is None:
        return ""
    cases = "case" if row["cases"] == 1 else "cases"
    return (
        f"[certificate](../../certificate.md): {row['cases']:,} {cases}, {row['tensors']:,} tensors; "
        f"worst error {row['share64']:.2f} S in float64, {row['share32']:.2f} S in float32; "
        f"mutants caught {row['caught']:,} of {row['planted']:,}"
    )


def described(entry: Entry) -> list[str]:
    """Heading, where torch has it, the certificate, and the docstring."""
    name = in_torch(entry)
    beside = f"[`{name}`]({docstrings.torch_address(name)})" if name else ""
    target = DERIVED.get(
        (entry.part.package.replace("torchref.tensor", "torch").replace("torchref", "torch"), entry.name)
    )
    derivation = f"[derivation](../../derivations/{target})" if target else ""
    facts = " · ".join(fact for fact in (beside, derivation, certified(entry)) if fact)
    directive = "autoclass" if inspect.isclass(entry.thing) else "autofunction"
    whole = directive == "autoclass" and (entry.part.members or entry.name in WITH_METHODS)
    options = ["   :members:"] if whole else []
    return [
        f"## {entry.name}",
        "",
        *([facts, ""] if facts else []),
        "```{eval-rst}",
        f".. {directive}:: {entry.path}",
        *options,
        "```",
        "",
    ]


def first_sentence(module: ModuleType) -> str:
    """What the file says of itself."""
    doc = (module.__doc__ or "").strip().partition("\n")[0]
    return re.sub(r"([*|_])", r"\\\1", doc)


def write(folder: Path) -> None:
    """A page for each file, and the page that lists them. A page that says the same is not touched."""
    everything = entries()
    pages: dict[str, list[Entry]] = defaultdict(list)
    for entry in everything:
        pages[entry.file].append(entry)
        docstrings.DOCUMENTED.setdefault(entry.name, entry.path)
    folder.mkdir(parents=True, exist_ok=True)
    written = {folder / "index.md"}
    titles: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file, listed in pages.items():
        page = folder / f"{file.removeprefix('torchref.')}.md"
        source = f"../../../{file.replace('.', '/')}.py"
        source = source if (folder / source).exists() else source.replace(".py", "/__init__.py")
        text = [f"# {file.removeprefix('torchref.')}", "", first_sentence(importlib.import_module(file)), ""]
        text += [f"The source: [`{file}`]({source})", ""]
        for entry in listed:
            text += described(entry)
        put(page, text)
        written.add(page)
        names = ", ".join(f"{{py:obj}}`{entry.name} <{entry.path}>`" for entry in listed)
        titles[listed[0].part.title].append((page.stem, names))
    put(folder / "index.md", overview(titles))
    for page in set(folder.glob("*.md")) - written:
        page.unlink()


def overview(titles: dict[str, list[tuple[str, str]]]) -> list[str]:
    """The list of all pages of the reference, with the names on them."""
    text = ["# The library, name by name", "", "A page for each file; each name beside torch's, with what its formulas"]
    text += ["were judged by. The text is the docstring: formula, shapes, backward with its derivation, errors.", ""]
    order = []
    for title, pages in titles.items():
        text += [f"## {title}", "", "| file | names |", "|---|---|"]
        text += [*(f"| [{page}]({page}.md) | {names} |" for page, names in sorted(pages)), ""]
        order += [page for page, _ in sorted(pages)]
    return [*text, "```{toctree}", ":hidden:", "", *order, "```", ""]


def put(page: Path, lines: list[str]) -> None:
    """Write only what has changed, so that Sphinx reads only that anew."""
    text = "\n".join(lines)
    if not page.exists() or page.read_text() != text:
        page.write_text(text)
