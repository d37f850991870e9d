"""How `[[series]]` tables become series."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forecaster.config import SeriesSettings, check_settings, load_settings
from forecaster.errors import ConfigError

Write = Callable[[str], Path]


def series_of(path: Path) -> list[SeriesSettings]:
    """Return the series of a file."""
    return load_settings(path, environ={}).each_series()


def test_one_table_names_many_symbols(write: Write) -> None:
    """`symbols` makes a series of each, named by its symbol."""
    text = '[[series]]\nsource = "s"\nsymbols = ["AAPL", "BRK-B", "^GSPC", "EURUSD=X"]'
    assert [each.name for each in series_of(write(text))] == ["AAPL", "BRK-B", "^GSPC", "EURUSD=X"]


def test_a_field_that_is_not_close_is_in_the_name(write: Write) -> None:
    """Open and close of one symbol are two series with two names."""
    text = '[[series]]\nsource = "s"\nsymbol = "A"\n[[series]]\nsource = "s"\nsymbol = "A"\n'
    found = series_of(write(text + 'field = "open"'))
    assert [(each.name, each.field) for each in found] == [("A", "close"), ("A.open", "open")]


def test_symbols_come_from_a_file(write: Write, tmp_path: Path) -> None:
    """`symbols_file` is read beside the configuration; comments and empty lines are left out."""
    (tmp_path / "list.txt").write_text("\ufeffAAPL\n# shares\n\nIBM  # blue\r\n", encoding="utf-8")
    found = series_of(write('[[series]]\nsource = "s"\nsymbols_file = "list.txt"'))
    assert [each.symbol for each in found] == ["AAPL", "IBM"]


def test_a_series_overrides_single_keys(write: Write) -> None:
    """A series has the global tables except for the keys that it sets itself."""
    text = """
        [model]
        epochs = 7
        [[series]]
        source = "s"
        symbol = "A"
        [[series]]
        source = "s"
        symbol = "B"
        model = { lookback = 9 }
        [series.retrain]
        every = "never"
        [series.intervals]
        eta = 0.05
    """
    plain, other = series_of(write(text))
    assert (plain.model.lookback, plain.model.epochs, plain.retrain.every) == (10, 7, 63)
    assert (other.model.lookback, other.model.epochs, other.retrain.every) == (9, 7, "never")
    assert (plain.intervals.eta, other.intervals.eta, other.intervals.decay) == (0.02, 0.05, 0.97)


def test_an_override_is_checked_with_the_table_it_changes(write: Write) -> None:
    """A lookback that no longer fits the global history is refused, naming the series."""
    text = '[model]\nhistory = 30\n[[series]]\nsource="s"\nsymbol="A"\nmodel = { lookback = 40 }'
    with pytest.raises(ConfigError, match=r"\[\[series\]\] 1: \[series.model\]: history = 30"):
        load_settings(write(text), environ={})


def test_a_season_is_of_one_series(write: Write) -> None:
    """A table has it for all its symbols; without, there is none."""
    text = (
        '[[series]]\nsource="s"\nsymbols=["A", "B"]\nseason=7\n[[series]]\nsource="s"\nsymbol="C"'
    )
    assert [each.season for each in series_of(write(text))] == [7, 7, None]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ('inputs = "window"', "season = 7 is forecast by deviations from the season before: must"),
        ('inputs = "minmax"', "must go with inputs = 'returns' and multi_step = 'direct'"),
        ('multi_step = "recursive"', "must go with inputs = 'returns' and multi_step = 'direct'"),
        ("history = 21", "history = 21 holds no window: must be at least season + lookback + hori"),
    ],
)
@pytest.mark.parametrize("globally", [True, False])
def test_a_season_that_the_model_cannot_have_is_one_line(
    write: Write, model: str, expected: str, *, globally: bool
) -> None:
    """However many symbols the table names, and wherever the model is set."""
    series = '[[series]]\nsource = "s"\nsymbols = ["A", "B", "C"]\nseason = 7\n'
    text = f"[model]\n{model}\n{series}" if globally else f"{series}[series.model]\n{model}\n"
    [line] = check_settings(write(text), environ={})
    assert "[[series]] 1: " in line
    assert expected in line


def test_a_season_is_judged_by_the_model_that_was_meant(write: Write) -> None:
    """Where the series' own model is wrong, nothing is said of the season with the global one."""
    text = """
        [model]
        inputs = "window"
        [[series]]
        source = "s"
        symbol = "A"
        season = 7
        model = { inputs = "returns", epochs = 0 }
    """
    [line] = check_settings(write(text), environ={})
    assert "[series.model] epochs = 0: must be at least 1" in line


@pytest.mark.parametrize("season", [0, 1, 401, -7, 7.5, '"week"'])
def test_a_season_has_some_sessions(write: Write, season: object) -> None:
    """From 2 to 400."""
    text = f'[[series]]\nsource = "s"\nsymbol = "A"\nseason = {season}'
    with pytest.raises(ConfigError, match="season = "):
        load_settings(write(text), environ={})


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", "needs exactly one of symbol, symbols and symbols_file"),
        ('symbol = "A"\nsymbols = ["B"]', "needs exactly one of"),
        ('symbols = ["A", "B"]\nname = "x"', "name = 'x' needs one symbol, not many"),
        ("symbols = []", "symbols = []: must be a list that is not empty"),
        ('symbols = ["A", "A"]', "two series are named 'A': [[series]] 1 (s A close) and"),
        ('symbols_file = "none.txt"', "none.txt cannot be read: No such file"),
        ('symbols_file = "config.toml"', "config.toml, line 1: '[[series]]' must be up to 64"),
        ('symbols_file = "empty.txt"', "empty.txt holds no symbol; write one symbol a line"),
        ('symbol = "M&M.NS"', "give the series a name of its own"),
        ('symbol = "A"\nfield = "adj"', "field = 'adj': must be 'open', 'high', 'low', 'close'"),
        ('symbol = "A"\nmodel = { epochs = 0 }', "[series.model] epochs = 0: must be at least 1"),
        ('symbol = "A"\nmodel = { epoch = 1 }', "[series.model] epoch is not a known key; did you"),
    ],
)
def test_a_bad_series_is_refused(write: Write, tmp_path: Path, table: str, expected: str) -> None:
    """Each way to get a series wrong is one line with table, key, value and what is allowed."""
    (tmp_path / "empty.txt").write_text("# nothing yet\n")
    lines = check_settings(write(f'[[series]]\nsource = "s"\n{table}\n'), environ={})
    assert len(lines) == 1
    assert "[[series]] 1" in lines[0] or "symbols_file" in table
    assert expected in lines[0]


@pytest.mark.parametrize(
    "name",
    [
        *("", "..", "../x", "a/b", "a\\b", "a b", "a\nb", "a\x00b", "-rf", "=1+1", "+A", "@A"),
        *("<b>", "a'b", 'a"b', "a;b", "a%b", "a,b", "\u00e4", "\u202eA", "A" * 65),
    ],
)
def test_hostile_names_and_symbols_are_refused(write: Write, name: str) -> None:
    """A name or symbol is no path, option, formula, markup or invisible character."""
    text = "".join(f"\\U{ord(letter):08X}" for letter in name)
    for keys in (f'symbol = "{text}"', f'symbol = "A"\nname = "{text}"'):
        with pytest.raises(ConfigError, match="must be up to 64 letters"):
            load_settings(write(f'[[series]]\nsource = "s"\n{keys}'), environ={})


def test_names_are_unique_over_tables(write: Write) -> None:
    """Two series of one name are refused; the message names both."""
    text = '[[series]]\nsource="csv"\nsymbol="A"\n[[series]]\nsource="db"\nsymbol="B"\nname="A"'
    with pytest.raises(ConfigError) as caught:
        load_settings(write(text), environ={})
    assert "[[series]] 1 (csv A close) and [[series]] 2 (db B close)" in str(caught.value)


def test_ten_thousand_series_load_quickly(write: Write, tmp_path: Path) -> None:
    """A long list of symbols is one table and shares its settings."""
    (tmp_path / "list.txt").write_text("\n".join(f"S{n}" for n in range(10_000)))
    found = series_of(write('[[series]]\nsource = "s"\nsymbols_file = "list.txt"'))
    assert len(found) == 10_000
    assert found[0].model is found[-1].model
