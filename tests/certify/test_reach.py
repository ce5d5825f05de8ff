"""Every backward of the library is run by a case, so that it is compared, witnessed and mutated."""

import importlib
import itertools
import re
import warnings
from pathlib import Path

from tests.cases import all_cases
from tests.certify.mutants import Prepared, all_modules
from tests.certify.mutation import owners


def files():
    """The library's files, each with the functions in it that hold a backward."""
    return {importlib.import_module(name).__file__: owners(name) for name in all_modules()}


def test_every_backward_is_known():
    """Catches a backward in a place where neither this test nor the mutants look: a lambda, a class in a function."""
    for file, found in files().items():
        for number, line in enumerate(Path(file).read_text(encoding="utf-8").splitlines(), 1):
            if re.match(r"\s+def \w*backward\w*\(", line):
                assert any(number in owner.lines for owner in found), f"{file}:{number}"
            assert not re.search(r"return .*\blambda d\w*:", line), f"{file}:{number}: a backward without a name"


def test_every_backward_is_run_by_a_case():
    """Catches a new function that no case runs: it would be compared with nothing, and have no mutants."""
    missing = {file: set(found) for file, found in files().items()}
    by_module = {}
    for case in all_cases():
        by_module.setdefault(case.module, []).append(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # the first case of every module, then the second of every module, until nothing is missing
        for case in filter(None, itertools.chain.from_iterable(itertools.zip_longest(*by_module.values()))):
            for file, line in Prepared(case).run_backwards():
                for owner in [o for o in missing.get(file, ()) if line in o.lines]:
                    missing[file].remove(owner)
            if not any(missing.values()):
                return
    left = [f"{owner.module}.{owner.name}" for found in missing.values() for owner in found]
    raise AssertionError(f"no case of tests/cases runs the backward of {', '.join(left)}")
