"""What is to be judged, found in the words of the command line, in files and in directories. No file is run."""

import pytest

from torchref.check.reading.targets import targets

CLOSURE = "def {0}(x):\n    def backward(dy):\n        return dy\n    return x, backward\n"


def written(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def test_a_name_and_an_operation():
    """Catches an option with a colon or an equals sign that is cut off."""
    (found,) = targets(["a/b.py:my_conv=conv2d(stride=2)"], None)
    assert (found.path, found.name, found.against, found.guessed) == ("a/b.py", "my_conv", "conv2d(stride=2)", False)


def test_what_follows_the_equals_sign_wins():
    """Catches --against that overrides the operation of one target."""
    assert [t.against for t in targets(["a.py:f=relu", "a.py:g"], "gelu")] == ["relu", "gelu"]


def test_a_comment_says_what_is_judged(tmp_path):
    """Catches a mark that is passed over, or that a name beside it joins."""
    text = "# torchref: mine against relu\n" + CLOSURE.format("mine") + CLOSURE.format("gelu")
    written(tmp_path, code=text)
    (found,) = targets([str(tmp_path / "code.py")], None)
    assert (found.name, found.against, found.guessed) == ("mine", "relu", False)


def test_a_name_alone_is_a_guess(tmp_path):
    """Catches a function with an operation's name that is not found, or that counts as a promise."""
    written(tmp_path, code=CLOSURE.format("gelu") + CLOSURE.format("helper") + "def relu(x):\n    return x\n")
    (found,) = targets([str(tmp_path / "code.py")], None)
    assert (found.name, found.against, found.guessed) == ("gelu", "gelu", True)


def test_a_pair_and_a_class(tmp_path):
    """Catches a pair that is found twice, and a class without a backward that is found."""
    pair = "def relu_forward(x):\n    return x, x\ndef relu_backward(dy, cache):\n    return dy\n"
    layer = "class Linear:\n    def forward(self, x): ...\n    def backward(self, dy): ...\n"
    written(tmp_path, code=pair + layer + "class Softmax:\n    def forward(self, x): ...\n")
    assert [t.name for t in targets([str(tmp_path / "code.py")], None)] == ["relu", "Linear"]


def test_one_operation_and_one_candidate(tmp_path):
    """Catches --against with a file: its only function with a backward is meant, of several none."""
    written(tmp_path, one=CLOSURE.format("mine"), two=CLOSURE.format("a") + CLOSURE.format("b"))
    (found,) = targets([str(tmp_path / "one.py")], "relu")
    assert (found.name, found.against) == ("mine", "relu")
    (several,) = targets([str(tmp_path / "two.py")], "relu")
    assert several.error == "say which is meant, as FILE.py:NAME: a, b"


def test_a_directory_is_read_in_the_order_of_its_names(tmp_path):
    """Catches hidden directories and virtual environments that are searched, and an order of the file system's."""
    for folder in ("z", ".hidden", "environment", "__pycache__"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder, code=CLOSURE.format("tanh"))
    (tmp_path / "environment" / "pyvenv.cfg").write_text("")
    written(tmp_path, b=CLOSURE.format("relu"), a=CLOSURE.format("gelu"))
    assert [t.name for t in targets([str(tmp_path)], None)] == ["gelu", "relu", "tanh"]


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("relu", "expected FILE.py:NAME, FILE.py or a directory, found 'relu'"),
        ("nowhere.py", "there is no such file"),
        ("{broken}", "it cannot be read: "),
        ("{empty}", "nothing to judge was found"),
    ],
)
def test_what_cannot_be_found_says_why(word, error, tmp_path):
    """Catches an exception, or silence, where there is nothing to judge."""
    written(tmp_path, broken="def f(:", empty="x = 1\n")
    places = {"broken": tmp_path / "broken.py", "empty": tmp_path / "empty.py"}
    (found,) = targets([word.format(**places)], None)
    assert found.error.startswith(error)
