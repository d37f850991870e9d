import csv
import io
import json
from contextlib import redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.cli.output import FORMULA, emit, emit_json, printable, shown
from forecaster.ledger import Rows

CELLS = st.one_of(st.none(), st.integers(), st.floats(), st.text())


def printed(rows: Rows, form: str | None) -> str:
    """Return what is printed."""
    with redirect_stdout(io.StringIO()) as out:
        emit(rows, form)
    return out.getvalue()


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1))
def test_json_has_every_row_and_no_number_that_json_lacks(
    cells: list[tuple[object, object]],
) -> None:
    """Whatever a row holds, the document parses strictly and has one object a row."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = printed(Rows(("a", "b"), tuple(cells)), "json")
    assert len(json.loads(text, parse_constant=refuse)) == len(cells)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), min_size=1))
def test_csv_parses_back_and_holds_no_formula(texts: list[str]) -> None:
    """Texts come back but for line ends, which are newlines, and a ' before a formula."""
    text = printed(Rows(("one",), tuple((each,) for each in texts)), "csv")
    texts = [each.replace("\r\n", "\n").replace("\r", "\n") for each in texts]
    header, *cells = [row[0] for row in csv.reader(io.StringIO(text, newline=""))]
    assert header == "one"
    assert [each.removeprefix("'") for each in cells] == [each.removeprefix("'") for each in texts]
    assert not any(each.startswith(FORMULA) for each in cells)


def test_numbers_below_zero_are_no_formulas() -> None:
    """A negative number keeps its sign in CSV: only texts are neutralised."""
    assert printed(Rows(("x", "=y"), ((-1.5, "-1.5"),)), "csv") == "x,'=y\n-1.5,'-1.5\n"


def test_a_header_stands_above_no_rows() -> None:
    """Without rows, CSV is the header, JSON an empty list and the table a sentence."""
    none = Rows(("a", "b"), ())
    found = [printed(none, form) for form in ("csv", "json", None)]
    assert found == ["a,b\n", "[]\n", "Nothing to show.\n"]


def test_a_table_on_a_pipe_is_whole() -> None:
    """However long a text is, a pipe gets one line a row with all of it."""
    long = "word " * 500
    text = printed(Rows(("k", "text"), ((1, long), (2, "short"))), None)
    assert [line.split() for line in text.splitlines()] == [
        ["k", "text"], ["1", *long.split()], ["2", "short"],
    ]  # fmt: skip


def test_a_table_shows_only_the_columns_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The table leaves columns out and orders them; JSON and CSV have all of them."""
    rows = Rows(("a", "b", "c"), ((1, 2, 3),))
    emit(rows, None, columns=("c", "a"))
    emit(rows, "csv", columns=("c", "a"))
    assert capsys.readouterr().out == "c a\n3 1\na,b,c\n1,2,3\n"


@given(st.text())
def test_no_text_controls_a_terminal_or_forges_a_line(text: str) -> None:
    """What is printed has no control, format or unpaired character but the newline."""
    assert all(each.isprintable() or each == "\n" for each in printable(text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (True, "yes"), (False, "no"), (0.1234567, "0.123457"), (431.307028, "431.307"),
        (12, "12"), ("2026-01-02T03:04:05.678901+00:00", "2026-01-02 03:04:05"),
        ("\x1b[31mred", "\\x1b[31mred"),
    ],
)  # fmt: skip
def test_values_are_shown_for_people(value: object, text: str) -> None:
    """Numbers have six significant digits, moments seconds, and colours are only named."""
    assert shown(value) == text


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    """A document can be written whatever the terminal's encoding is."""
    emit_json({"é": "ü"})
    assert capsys.readouterr().out.isascii()
