"""What is to be judged: `FILE.py:NAME=OP`, and what is found in a file or a directory where no name is given.

A file says it best itself, in a comment: `# torchref: NAME against OP`. Without one, what carries the name of an
operation is taken, if its source shows a backward. Such a target is `guessed`: a name is no promise, so that a forward
that is not torch's is no mistake then. Files are read here, never run.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torchref.check.ops.catalogue import CATALOGUE
from torchref.check.ops.find import normal
from torchref.check.ops.optimizers import OPTIMIZERS
from torchref.check.reading.forms.class_names import BACKWARDS, FORWARDS

MARKER = re.compile(r"^[ \t]*#[ \t]*torchref:[ \t]*(\S+)[ \t]+against[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
PAIRS = (("_forward", "_backward"), ("_fwd", "_bwd"))
ASIDE = ("__pycache__", "site-packages", "node_modules")  # beside hidden directories and virtual environments
RULE = (
    "a comment `# torchref: NAME against OP` says what is judged; without one, a function with a backward, a pair or a "
    "class that has the name of an operation is"
)


@dataclass(frozen=True)
class Target:
    """One thing to judge, or the reason why there is none."""

    path: str
    name: str
    against: str | None = None
    error: str = ""
    guessed: bool = False  # found by its name alone


def targets(words: Sequence[str], against: str | None) -> list[Target]:
    """The targets that the words of the command line name."""
    return [t for word in words for t in of_word(word, against or "")]


def of_word(word: str, against: str) -> list[Target]:
    """FILE.py:NAME, FILE.py or a directory, each with =OP or without."""
    place, equals, op = word.partition("=")
    wanted = op if equals else against
    path, _, name = place.rpartition(":")
    if os.path.isdir(place):
        found = [t for file in python_files(place) for t in in_the_file(file, wanted)]
        return found or [Target("", place, error=f"nothing to judge was found: {RULE}")]
    if place.endswith(".py"):
        return in_the_file(place, wanted) or [Target("", place, error=nothing(place, wanted))]
    if not path or not name:
        return [Target("", word, error=f"expected FILE.py:NAME, FILE.py or a directory, found {word!r}")]
    return [Target(path, name, wanted or None)]


def python_files(directory: str) -> Iterator[str]:
    """The Python files of a directory and of those in it, in the order of their names."""
    for here, inside, files in os.walk(directory):
        inside[:] = sorted(d for d in inside if not aside(Path(here, d)))
        yield from (os.path.join(here, f) for f in sorted(files) if f.endswith(".py"))


def aside(directory: Path) -> bool:
    """Whether a folder is not the user's own code: hidden, an environment, one of ASIDE."""
    return directory.name.startswith(".") or directory.name in ASIDE or (directory / "pyvenv.cfg").exists()


def in_the_file(path: str, against: str) -> list[Target]:
    """What a file marks; else, against one operation, the one that it can be; else what has an operation's name."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError) as problem:
        there = os.path.isfile(path)
        return [Target("", path, error=f"it cannot be read: {problem}" if there else "there is no such file")]
    marked = [Target(path, name, op) for name, op in MARKER.findall(text)]
    if marked:
        return marked
    names = candidates(tree)
    if against:
        names = names or the_only_one(tree)
        stem = normal(against.partition("(")[0].rpartition(".")[2])
        chosen = [n for n in names if normal(n) == stem] or names
        return [Target(path, chosen[0], against)] if len(chosen) == 1 else []
    return [Target(path, n, n, guessed=True) for n in names if normal(n) in operations()]


def passed_over(directories: Sequence[str]) -> dict[str, list[str]]:
    """{file: what has a backward, and neither a mark nor an operation's name}: it is not judged."""
    found = {}
    for path in (file for directory in directories for file in python_files(directory)):
        judged = {t.name for t in in_the_file(path, "")}
        if "" not in judged:  # the file can be read
            tree = ast.parse(Path(path).read_text(encoding="utf-8", errors="replace"))
            found[path] = [n for n in candidates(tree) if n not in judged]
    return {path: names for path, names in found.items() if names}


def nothing(path: str, against: str) -> str:
    """Why no target was found in a file."""
    if not against:
        return f"nothing to judge was found: {RULE}; or say FILE.py:NAME=OP"
    there = candidates(ast.parse(Path(path).read_text(encoding="utf-8", errors="replace")))
    return f"say which is meant, as FILE.py:NAME: {', '.join(there) or 'no function or class with a backward is there'}"


def operations() -> set[str]:
    """The names of the operations and of torch's modules."""
    return {normal(n) for op in CATALOGUE for n in (op.name, *op.modules)} | {normal(n) for n in OPTIMIZERS}


def candidates(tree: ast.Module) -> list[str]:
    """What stands at the top of a file and has a backward: functions that return one, pairs, classes."""
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    found = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            methods = {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
            whole = methods & set(FORWARDS) and methods & set(BACKWARDS)
            found += [node.name] if whole or (normal(node.name) in map(normal, OPTIMIZERS) and methods) else []
        elif isinstance(node, ast.FunctionDef):
            stem = next((node.name.removesuffix(f) for f, b in PAIRS if node.name.removesuffix(f) + b in functions), "")
            if stem:
                found.append(stem)
            elif returns_a_function(node):
                found.append(node.name)
    return list(dict.fromkeys(found))


def the_only_one(tree: ast.Module) -> list[str]:
    """The only public class of a file, or without classes its only public function: an optimizer, a whole network."""
    public = [n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and not n.name.startswith("_")]
    classes = [n.name for n in public if isinstance(n, ast.ClassDef)]
    there = classes or [n.name for n in public]
    return there if len(there) == 1 else []


def returns_a_function(function: ast.FunctionDef) -> bool:
    """Whether a function returns one that it has made: (output, backward)."""
    made = {n.name for n in ast.walk(function) if isinstance(n, ast.FunctionDef) and n is not function}
    made |= {
        t.id
        for n in ast.walk(function)
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Lambda)
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    returned = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and isinstance(n.value, ast.Tuple)]
    return any(
        isinstance(e, ast.Lambda) or (isinstance(e, ast.Name) and e.id in made)
        for value in returned
        for e in value.elts
    )
