"""CSV files as people have them: what is guessed is said, what cannot be guessed is asked, the numbers are right."""

import gzip

import numpy as np
import pytest

from torchref.cli.command_line import main
from torchref.compare.datasets.own import load
from torchref.compare.datasets.table import Choices
from torchref.compare.errors import UserError

ORDER = np.random.default_rng(0).permutation(10)[2:]  # the training part of ten rows


def read(tmp_path, content, encoding="utf-8", **choices):
    """The data, and what was said of them."""
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode(encoding))
    said = []
    return load(path, Choices(**choices), tell=said.append), said


def refused(tmp_path, content, **choices):
    with pytest.raises(UserError) as caught:
        read(tmp_path, content, **choices)
    assert "\n" not in str(caught.value)
    return str(caught.value).partition("a.csv")[2]


def standard(column):
    """A column of the training part as it must come out."""
    column = np.asarray(column, float)[ORDER]
    return (column - column.mean()) / column.std()


def test_a_label_in_the_first_column_without_a_header(tmp_path, capsys):
    """Catches a label that is guessed in silence: the last column has one value, and nothing could be learned."""
    content = "".join(f"{i % 3},{i},{i * i},0\n" for i in range(10))
    assert refused(tmp_path, content) == (
        ": column 4, the last, was taken as the label and has the one value 0: "
        "name the label's column, counted from 1, with --label (--label '1' has 3 values)"
    )
    data, said = read(tmp_path, content, label="1")
    np.testing.assert_array_equal(data.train_targets, ORDER % 3)
    np.testing.assert_allclose(data.train_inputs[:, 0], standard(range(10)))
    assert said == [
        "there is no header; columns are counted from 1",
        "the label is column 1 with 3 classes, from 0 to 2",
    ]
    assert "counted from 1 to 4" in refused(tmp_path, content, label="0")
    words = ["compare", "tables", "--data", str(tmp_path / "a.csv"), "--dry-run", "--label", "1"]
    assert main(words) == 0
    assert "data: the label is column 1 with 3 classes" in capsys.readouterr().err


def test_decimal_commas(tmp_path):
    """Catches a comma that is taken for the delimiter, and a file that holds both or thousands."""
    rows = [f"{i},{i % 4};{i % 2}\n" for i in range(10)]
    data, said = read(tmp_path, "size;label\n" + "".join(rows))
    np.testing.assert_allclose(data.train_inputs[:, 0], standard([float(f"{i}.{i % 4}") for i in range(10)]))
    assert "its decimal commas are read as points: 0,0 is 0.0" in said
    assert refused(tmp_path, "a;b\n1,500;0\n2,250;1\n").startswith(", line 2: '1,500' may be a fraction, or thousands")
    assert refused(tmp_path, "a;b\n1,5;0\n2.5;1\n3.5;1\n").startswith(", line 2: a is '1,5', no finite number")
    quoted, _ = read(tmp_path, "a,b\n" + "".join(f'"{i},5",{i % 2}\n' for i in range(10)))
    np.testing.assert_allclose(quoted.train_inputs[:, 0], standard(range(10)))


def test_missing_values(tmp_path):
    """Catches a value made up unasked, a mean that has seen the held-out part, and a label that is filled in."""
    column = ["1", "", "3", "NA", "5", "6", "?", "8", "9", "10"]
    content = "x,y,label\n" + "".join(f"{cell},{i},{'ab'[i % 2]}\n" for i, cell in enumerate(column))
    assert refused(tmp_path, content).startswith(", line 3: x is missing (''): --missing drop leaves such rows out")
    data, said = read(tmp_path, content, missing="drop")
    assert len(data.train_inputs) + len(data.validation_inputs) == 7
    assert "3 of 10 rows have a missing value and are left out" in said
    data, _ = read(tmp_path, content, missing="mean")
    known = np.array([float(cell) if cell.isdigit() else np.nan for cell in column])
    filled = np.where(np.isnan(known), np.nanmean(known[ORDER]), known)
    np.testing.assert_allclose(data.train_inputs[:, 0], standard(filled))
    no_label = "x,label\n1,0\n2,\n,1\n4,1\n"
    assert ", line 3: label, the label, is missing ('')" in refused(tmp_path, no_label)
    data, said = read(tmp_path, no_label, missing="mean")  # a label is not filled in: the other columns are
    assert len(data.train_inputs) + len(data.validation_inputs) == 3
    assert "1 of 4 rows have a missing label and are left out" in said
    with pytest.raises(UserError, match="missing must be drop or mean, not 'median'"):
        Choices(missing="median")


def test_columns_of_texts(tmp_path):
    """Catches a text that becomes a number of its own accord, and a mistyped number that becomes a category."""
    colors = ["red", "blue", "green", "red", "red", "blue", "green", "green", "red", "blue"]
    content = "x,color,label\n" + "".join(f"{i},{color},{i % 2}\n" for i, color in enumerate(colors))
    assert "line 2: color is 'red', no finite number: --text one-hot makes a column" in refused(tmp_path, content)
    data, said = read(tmp_path, content, text="one-hot")
    assert "color becomes 3 columns, one for each value" in said
    for i, color in enumerate(["blue", "green", "red"]):
        np.testing.assert_allclose(data.train_inputs[:, 1 + i], standard([c == color for c in colors]))
    data, said = read(tmp_path, content, text="drop")
    assert data.train_inputs.shape == (8, 1)
    assert "color holds texts and is left out" in said
    typo = content.replace("3,red", "3o,red")
    assert "line 5: x is '3o', no finite number" in refused(tmp_path, typo, text="one-hot")
    many = "x,name,label\n" + "".join(f"{i},n{i},{i % 2}\n" for i in range(101))
    assert "name has 101 different texts, over 100: --drop name" in refused(tmp_path, many, text="one-hot")
    assert read(tmp_path, many, drop="name")[0].train_inputs.shape == (81, 1)


def test_texts_alone_under_a_header(tmp_path):
    """Catches a header that is taken for an example where no column holds numbers."""
    rows = [f"{'ab'[i % 2]},{'pqr'[i % 3]},{'xy'[i % 2]}\n" for i in range(10)]
    data, _ = read(tmp_path, "first,second,label\n" + "".join(rows), text="one-hot")
    assert data.train_inputs.shape == (8, 5)
    np.testing.assert_array_equal(data.train_targets, ORDER % 2)


def test_a_column_that_counts_the_rows_is_left_out(tmp_path):
    """Catches pandas' index, which gives the file's order away; a column of that name that does not count stays."""
    data, said = read(tmp_path, ",x,label\n" + "".join(f"{i},{i * i},{i % 2}\n" for i in range(10)))
    assert data.train_inputs.shape == (8, 1)
    assert "column 1, '', counts the rows and is left out" in said
    data, said = read(tmp_path, "id,x,label\n" + "".join(f"{i % 4},{i * i},{i % 2}\n" for i in range(10)))
    assert data.train_inputs.shape == (8, 2)


def test_numbers_to_be_predicted(tmp_path, capsys):
    """Catches whole numbers that become 214 classes, and class numbers that a regression is trained on."""
    prices = [100 + 7 * i for i in range(30)]
    content = "x,z,price\n" + "".join(f"{i},{i % 7},{price}\n" for i, price in enumerate(prices))
    asked = "regression predicts numbers; for classes say --target class"
    assert asked in refused(tmp_path, content)
    assert asked in refused(tmp_path, content.replace("\n", ".0\n").replace("price.0", "price"))
    assert read(tmp_path, content, target="class")[0].train_targets.dtype == np.int64
    data, said = read(tmp_path, content, target="value")
    order = np.random.default_rng(0).permutation(30)[6:]
    train = np.array(prices, float)[order]
    np.testing.assert_allclose(data.train_targets, ((train - train.mean()) / train.std())[:, None])
    assert said == ["the label is column 3, 'price', the last, a value from 100 to 303"]
    words = ["compare", "regression", "--data", str(tmp_path / "a.csv"), "--dry-run", "--out", str(tmp_path / "runs")]
    assert main(words) == 0
    assert "outputs = 1" in capsys.readouterr().out
    words[1] = "tables"
    assert main([*words, "--target", "value"]) == 2
    assert "regression predicts numbers" in capsys.readouterr().err
    words[1] = "regression"
    (tmp_path / "a.csv").write_text("x,label\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(10)))
    assert main(words) == 2
    assert "label is 'a', no finite number: torchref compare tables takes texts as classes" in capsys.readouterr().err


def test_the_title_speaks_of_the_data_that_are_used(tmp_path, capsys, monkeypatch):
    """Catches a run on one's own table that calls itself one on 569 tumours."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.csv").write_text("x,label\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    for name in ("tables", "digits"):
        words = ["compare", name, "--data", "mine.csv", "--epochs", "1", "--device", "cpu"]
        assert main(words) == 0
        title = capsys.readouterr().out.splitlines()[0]
        assert title.startswith(f"{name}: ")
        assert title.endswith("on mine.csv: 16 examples to train on, 4 held out")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_encodings(tmp_path, encoding):
    """Catches a mark that becomes part of the first column's name, and Excel's files, which are no UTF-8."""
    data, said = read(tmp_path, "Größe,label\n" + "".join(f"{i},{i % 2}\n" for i in range(10)), encoding, label="Größe")
    np.testing.assert_array_equal(data.train_targets, ORDER)
    assert ("it is no UTF-8, and read as Windows' cp1252" in said) == (encoding == "cp1252")


def test_a_packed_table(tmp_path):
    """Catches a guess from the file's name alone, and a file that is cut short."""
    content = gzip.compress("".join(f"{i},{i % 2}\n" for i in range(10)).encode())
    for name in ("a.csv", "a.csv.gz"):
        (tmp_path / name).write_bytes(content)
        np.testing.assert_array_equal(load(tmp_path / name).train_targets, ORDER % 2)
    (tmp_path / "a.csv").write_bytes(content[:-9])
    with pytest.raises(UserError, match="is cut short or damaged"):
        load(tmp_path / "a.csv")


def test_choices_are_kept_for_the_next_run(tmp_path, capsys, monkeypatch):
    """Catches a resumed run that reads the same file otherwise, and a misspelt key of config.toml."""
    monkeypatch.chdir(tmp_path)
    rows = [f"{i if i % 5 else ''},{'ab'[i % 2]},{i % 2}\n" for i in range(40)]
    (tmp_path / "a.csv").write_text("x,color,label\n" + "".join(rows))
    words = ["compare", "tables", "--only", "logistic", "--epochs", "1", "--json", "--device", "cpu"]
    assert main([*words, "--data", "a.csv", "--missing", "mean", "--text", "one-hot"]) == 0
    config = tmp_path / "runs/tables/config.toml"
    assert main([*words, "--config", str(config), "--out", "again"]) == 0
    assert (tmp_path / "again/tables/config.toml").read_text() == config.read_text()
    capsys.readouterr()
    config.write_text(config.read_text().replace("missing =", "mising ="))
    assert main([*words, "--config", str(config), "--out", "third"]) == 2
    assert "config: data: unknown key 'mising': did you mean 'missing'?" in capsys.readouterr().err
