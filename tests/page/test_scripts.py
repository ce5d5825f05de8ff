"""The modules of pages: they need nothing from elsewhere, and a file holds them whole."""

import base64
import json
import re

import numpy as np
import pytest

from torchref.compare.record.backprop.plugin import OWN
from torchref.page import inline

SCRIPTS = sorted(path for folder in (OWN, inline.STATIC) for path in folder.glob("*.js"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_needs_nothing_from_elsewhere(script):
    """Catches an import of a file that is not there, a request to another host, and code made from text."""
    text = script.read_text()
    for name in re.findall(r'from "(.*?)"', text):
        assert name.startswith("./")
        assert any((folder / name).is_file() for folder in (script.parent, inline.STATIC)), name
    addresses = set(re.findall(r"https?://[^\"'\s]*", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}, addresses
    assert not re.search(r"\beval\(|new Function|innerHTML|document\.write", text)


@pytest.mark.parametrize("script", sorted(inline.STATIC.glob("*.js")), ids=lambda path: path.name)
def test_no_server_is_known(script):
    """Catches a part of the tab that another page could not show, and an import of what only TensorBoard has."""
    code = [line for line in script.read_text().splitlines() if not line.lstrip().startswith("//")]
    assert not [line for line in code if "fetch(" in line or "parent" in line]
    assert all((inline.STATIC / name).is_file() for name in re.findall(r'from "\./(.*?)"', "\n".join(code)))


def test_every_module_is_inside():
    """Catches a module that is left out, and one that still looks for a file beside the page."""
    (found,) = re.findall(r'<script type="importmap">(.*?)</script>', inline.head())
    modules = json.loads(found)["imports"]
    assert modules.keys() == {f"torchref/{path.name}" for path in inline.STATIC.glob("*.js")}
    for name, address in modules.items():
        text = base64.b64decode(address.partition("base64,")[2]).decode()
        assert '"./' not in text, name
        assert set(re.findall(r'from "(.*?)"', text)) <= modules.keys()


def test_values_stay_values():
    """Catches a text that ends its script, and a digit that is lost."""
    assert "</" not in inline.as_json({"a": "</script>"})
    assert json.loads(inline.as_json({"a": "</script>"})) == {"a": "</script>"}
    values = np.array([[np.nan, -0.0], [1e-310, 1 / 3]]).T
    assert base64.b64decode(inline.entries(values)) == values.astype("<f8").tobytes(order="C")
