"""`forecaster bars`: pull, show, import, check and accept."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from forecaster.cli import cli
from forecaster.market import get_calendar

Call = Callable[..., Result]

DAYS: list[date] = get_calendar("XNYS").sessions(date(2023, 1, 3), date(2023, 6, 30)).tolist()
CONFIG = """
[[series]]
source = "csv"
symbols = ["AAA", "BBB"]
calendar = "XNYS"

[reporters]
"""


def prices(days: Sequence[date] = DAYS, level: float = 100.0) -> list[tuple[date, float]]:
    """Return closes that wander a little."""
    return [(day, level + (k * 37 % 11) / 10) for k, day in enumerate(days)]


def write(path: Path, rows: Sequence[tuple[date, float]]) -> Path:
    """Write a CSV file of closes."""
    path.write_text("\n".join(["date,close", *(f"{day},{close}" for day, close in rows), ""]))
    return path


def fallen(rows: Sequence[tuple[date, float]], last: int) -> list[tuple[date, float]]:
    """Return prices of which the last ones are at half."""
    return [*rows[:-last], *((day, close / 2) for day, close in rows[-last:])]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a configuration and the files of two symbols; nothing is stored."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    write(tmp_path / "AAA.csv", prices())
    write(tmp_path / "BBB.csv", prices(level=50.0))
    return tmp_path


def call(*args: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, args)


def data(*args: str, code: int = 0) -> Any:
    """Run a command and return the JSON that it prints."""
    result = call(*args, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def change(folder: Path, statement: str, *values: Any) -> None:
    """Change the database behind the program's back."""
    with closing(sqlite3.connect(folder / "forecaster.db")) as connection, connection:
        connection.execute(statement, values)


class TestPull:
    def test_prices_are_stored_and_nothing_is_forecast(self, folder: Path) -> None:
        """One row an instrument: outcome and counts; no run, no forecast."""
        rows = data("bars", "pull")
        assert [(row["symbol"], row["outcome"], row["new_bars"]) for row in rows] == [
            ("AAA", "ok", len(DAYS)),
            ("BBB", "ok", len(DAYS)),
        ]
        assert data("sql", "select count(*) as n from forecast_history") == [{"n": 0}]
        assert data("runs") == []

    def test_again_there_is_nothing_new(self, folder: Path) -> None:
        """A second pull asks and stores nothing; the whole history is as it was."""
        data("bars", "pull")
        for extra in ((), ("--all",)):
            rows = data("bars", "pull", "--series", "AAA", *extra)
            assert [(row["new_bars"], row["revised_bars"]) for row in rows] == [(0, 0)]

    def test_a_changed_price_is_a_revision_and_a_note(self, folder: Path) -> None:
        """Beyond the tolerance it is said on standard error, and the exit code stays 0."""
        data("bars", "pull")
        rows = prices()
        rows[-3] = (rows[-3][0], rows[-3][1] * 1.02)
        write(folder / "AAA.csv", rows)
        result = call("bars", "pull", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)[0]["revised_bars"] == 1
        assert result.stderr.startswith("forecaster: note: AAA: the close of")
        assert result.stderr.count("\n") == 1

    def test_what_is_held_is_said_with_exit_code_1(self, folder: Path) -> None:
        """The other instrument is stored all the same."""
        write(folder / "AAA.csv", fallen(prices(), 2))
        result = call("bars", "pull", "--json")
        assert result.exit_code == 1
        rows = json.loads(result.stdout)
        assert [row["held_bars"] for row in rows] == [2, 0]
        assert "AAA: the bar of" in result.stderr
        assert "bars check" in result.stderr

    def test_a_source_that_fails_is_one_line(self, folder: Path) -> None:
        """The row has its outcome, standard error why; the other instrument is stored."""
        (folder / "AAA.csv").unlink()
        result = call("bars", "pull", "--csv")
        assert result.exit_code == 1
        rows = list(csv.DictReader(io.StringIO(result.stdout)))
        assert [row["outcome"] == "ok" for row in rows] == [False, True]
        assert result.stderr.count("\n") == 1
        assert "Traceback" not in result.output

    def test_an_unknown_series_is_refused(self, folder: Path) -> None:
        """A typo is answered with what was probably meant, exit code 2."""
        result = call("bars", "pull", "--series", "AAB")
        assert result.exit_code == 2
        assert "AAA" in result.stderr


class TestShow:
    def test_the_newest_bars_ascend(self, folder: Path) -> None:
        """As many as asked for, with their revision; a close-only source leaves the rest empty."""
        data("bars", "pull")
        rows = data("bars", "show", "AAA", "--last", "3")
        assert [row["session"] for row in rows] == [str(day) for day in DAYS[-3:]]
        assert [row["close"] for row in rows] == [close for _, close in prices()[-3:]]
        assert {(row["open"], row["revision"]) for row in rows} == {(None, 1)}
        assert len(data("bars", "show", "AAA")) == 20
        table = call("bars", "show", "AAA", "--last", "1").stdout
        assert str(DAYS[-1]) in table

    def test_as_they_were_known(self, folder: Path) -> None:
        """Before a revision the old value, before the first pull nothing."""
        data("bars", "pull")
        change(folder, "update bar set first_seen_at = '2024-01-05T10:00:00.000000+00:00'")
        rows = prices()
        rows[-1] = (rows[-1][0], 111.0)
        write(folder / "AAA.csv", rows)
        change(folder, "update instrument set answer = null")
        assert call("bars", "pull").exit_code == 0
        assert data("bars", "show", "AAA", "--last", "1")[0]["close"] == 111.0
        for moment in ("2024-01-05", "2024-01-05T10:00", "2025-01-01"):
            [row] = data("bars", "show", "AAA", "--last", "1", "--as-of", moment)
            assert (row["close"], row["revision"]) == (prices()[-1][1], 1)
        for moment in ("2024-01-05T09:59", "2024-01-05T00:00", "2024-01-04"):
            result = call("bars", "show", "AAA", "--as-of", moment)
            assert (result.exit_code, result.stdout) == (0, "No bar was known then.\n")
        assert call("bars", "show", "AAA", "--as-of", "yesterday").exit_code == 2

    def test_adjusted_for_splits_and_dividends(self, folder: Path) -> None:
        """Prices before a split are in today's shares, and volumes too; today's stay."""
        lines = ["date,close,volume,split"]
        lines += [
            f"{day},{close / 2 if k >= 100 else close},1000,{2 if k == 100 else ''}"
            for k, (day, close) in enumerate(prices())
        ]
        (folder / "AAA.csv").write_text("\n".join([*lines, ""]))
        data("bars", "pull")
        quoted = data("bars", "show", "AAA", "--last", "100")
        adjusted = data("bars", "show", "AAA", "--last", "100", "--adjusted")
        for told, one, (day, close) in zip(quoted, adjusted, prices()[-100:], strict=True):
            before = day < DAYS[100]
            assert one["close"] == pytest.approx(close / 2)
            assert told["close"] == pytest.approx(close if before else close / 2)
            assert (told["volume"], one["volume"]) == (1000, 2000 if before else 1000)
            assert one["open"] is None

    def test_an_unknown_series_is_refused(self, folder: Path) -> None:
        """One that the ledger does not have, exit code 2."""
        data("bars", "pull")
        result = call("bars", "show", "AAB")
        assert result.exit_code == 2
        assert "did you mean AAA" in result.stderr


class TestImport:
    def test_older_bars_join_the_others(self, folder: Path) -> None:
        """A file of any name fills the years before; facts of the instrument stay."""
        write(folder / "AAA.csv", prices()[60:])
        data("bars", "pull")
        change(folder, "update instrument set currency = 'USD' where symbol = 'AAA'")
        file = write(folder / "from elsewhere.csv", prices()[:60])
        [row] = data("bars", "import", str(file), "--series", "AAA")
        assert (row["new_bars"], row["revised_bars"], row["held_bars"]) == (60, 0, 0)
        shown = data("bars", "show", "AAA", "--last", "1000")
        assert [one["session"] for one in shown] == [str(day) for day in DAYS]
        facts = data("sql", "select currency, historical, calendar from instrument where id = 1")
        assert facts == [{"currency": "USD", "historical": 1, "calendar": "XNYS"}]
        assert {row["what"] for row in data("bars", "check", "--series", "AAA")} <= {"pull"}
        assert data("sql", "select count(*) as n from pull_history") == [{"n": 2}]

    def test_a_changed_bar_is_a_revision(self, folder: Path) -> None:
        """What differs from a stored bar is kept beside it; a source that insists is one more."""
        data("bars", "pull")
        file = write(folder / "right.csv", [(DAYS[-2], 100.7)])
        [row] = data("bars", "import", str(file), "--series", "AAA")
        assert (row["new_bars"], row["revised_bars"]) == (0, 1)
        assert data("bars", "show", "AAA", "--last", "2")[0]["close"] == 100.7
        assert data("bars", "pull", "--series", "AAA")[0]["revised_bars"] == 1
        [shown, _] = data("bars", "show", "AAA", "--last", "2")
        assert (shown["close"], shown["revision"]) == (prices()[-2][1], 3)

    def test_a_right_bar_takes_the_place_of_a_held_one(self, folder: Path) -> None:
        """Where the source never corrects itself a file can, and nothing is held any more."""
        write(folder / "AAA.csv", fallen(prices(), 2))
        call("bars", "pull")
        file = write(folder / "right.csv", prices()[-4:])
        data("bars", "import", str(file), "--series", "AAA")
        assert "held" not in {row["what"] for row in data("bars", "check", "--series", "AAA")}
        assert data("bars", "show", "AAA", "--last", "1")[0]["close"] == prices()[-1][1]

    def test_a_file_passes_the_border(self, folder: Path) -> None:
        """A bar on a Sunday is held, and the good ones are stored."""
        write(folder / "AAA.csv", prices()[:-3])
        data("bars", "pull")
        sunday = (date(2023, 6, 25), 100.0)
        file = write(folder / "more.csv", sorted([*prices()[-3:], sunday]))
        [row] = data("bars", "import", str(file), "--series", "AAA", code=1)
        assert (row["new_bars"], row["held_bars"]) == (3, 1)

    def test_a_series_may_begin_with_a_file(self, folder: Path) -> None:
        """Nothing needs to be pulled before."""
        file = write(folder / "first.csv", prices())
        [row] = data("bars", "import", str(file), "--series", "BBB")
        assert row["new_bars"] == len(DAYS)
        assert len(data("bars", "show", "BBB")) == 20

    @pytest.mark.parametrize("name", ["nowhere.csv", "prices.xlsx", "."])
    def test_what_is_no_price_file_is_refused(self, folder: Path, name: str) -> None:
        """A missing file, another format, a folder: one line, exit code 2."""
        (folder / "prices.xlsx").write_text("no table")
        result = call("bars", "import", name, "--series", "AAA")
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1

    def test_a_broken_file_is_one_line(self, folder: Path) -> None:
        """A file that holds no prices says so, and nothing is stored."""
        (folder / "broken.csv").write_text("name,colour\nrose,red\n")
        result = call("bars", "import", "broken.csv", "--series", "AAA")
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert "Traceback" not in result.output


class TestCheck:
    def test_nothing_wrong_is_exit_code_0(self, folder: Path) -> None:
        """The rows of the last pulls may be there; nothing is held, missing or alarming."""
        data("bars", "pull")
        assert {row["what"] for row in data("bars", "check")} <= {"pull"}
        assert call("bars", "check").stdout.startswith("Nothing is held or missing")

    def test_what_is_held_comes_with_its_reason(self, folder: Path) -> None:
        """Reason and value, of this instrument only; exit code 1."""
        write(folder / "AAA.csv", fallen(prices(), 2))
        call("bars", "pull")
        rows = data("bars", "check", code=1)
        held = [row for row in rows if row["what"] == "held"]
        assert [(row["symbol"], row["session"], row["code"]) for row in held] == [
            ("AAA", str(day), "jump") for day in DAYS[-2:]
        ]
        assert held[0]["close"] == pytest.approx(prices()[-2][1] / 2)
        assert "no split or dividend explains it" in held[0]["detail"]
        assert {row["what"] for row in data("bars", "check", "--series", "BBB")} <= {"pull"}

    def test_gaps_are_told_as_a_whole(self, folder: Path) -> None:
        """Sessions missing in a row are one line, and each gap is its own."""
        rows = prices()
        write(folder / "AAA.csv", [*rows[:40], *rows[42:60], *rows[61:]])
        call("bars", "pull")
        found = [row for row in data("bars", "check", code=1) if row["what"] == "missing"]
        assert [(row["session"], row["detail"]) for row in found] == [
            (str(DAYS[40]), f"2 sessions to {DAYS[41]} have no bar"),
            (str(DAYS[60]), "the session has no bar"),
        ]

    def test_a_closure_is_no_gap(self, folder: Path) -> None:
        """A day that closures.txt closes is not missing."""
        rows = prices()
        write(folder / "AAA.csv", [*rows[:40], *rows[41:]])
        (folder / "closures.txt").write_text(f"XNYS {DAYS[40]} closed\n")
        data("bars", "pull", "--series", "AAA")
        assert "missing" not in {row["what"] for row in data("bars", "check", "--series", "AAA")}

    def test_gaps_that_a_series_drops_are_shown_and_are_not_wrong(self, folder: Path) -> None:
        """Whoever said `drop` knows of them."""
        config = CONFIG.replace("calendar =", 'missing = "drop"\ncalendar =')
        (folder / "config.toml").write_text(config)
        write(folder / "AAA.csv", [*prices()[:40], *prices()[41:]])
        data("bars", "pull")
        assert "missing" in {row["what"] for row in data("bars", "check")}

    def test_alerts_are_told_for_thirty_days(self, folder: Path) -> None:
        """An old one is history; alerts alone are not wrong."""
        data("bars", "pull")
        query = (
            "insert into alert (instrument_id, session, code, message, raised_at) "
            "values (1, '2023-06-30', 'revised', ?, ?)"
        )
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        change(folder, query, "=1+1", now)
        change(folder, query, "long ago", "2023-07-01T00:00:00.000000+00:00")
        alerts = [row for row in data("bars", "check") if row["what"] == "alert"]
        assert [row["detail"] for row in alerts] == ["=1+1"]
        cells = list(csv.reader(io.StringIO(call("bars", "check", "--csv").stdout)))
        assert "'=1+1" in {cell for row in cells for cell in row}

    def test_a_failed_pull_is_told(self, folder: Path) -> None:
        """The outcome of the last one, with its reason."""
        data("bars", "pull")
        (folder / "AAA.csv").unlink()
        assert call("bars", "pull").exit_code == 1
        [row] = [row for row in data("bars", "check") if row["what"] == "pull"
                 and row["symbol"] == "AAA"]  # fmt: skip
        assert row["code"] != "ok"
        assert "AAA.csv" in row["detail"]

    def test_a_series_that_never_had_a_bar_says_why(self, folder: Path) -> None:
        """There is no instrument yet, and the reason of its pull is shown all the same."""
        (folder / "AAA.csv").write_text("date,close\n2023-01-03,abc\n")
        call("bars", "pull")
        [row] = [row for row in data("bars", "check") if row["symbol"] == "AAA"]
        assert (row["what"], row["session"]) == ("pull", None)
        assert "line 2" in row["detail"]


class TestAccept:
    def test_a_jump_that_is_real(self, folder: Path) -> None:
        """What was held is stored, said, and held no more; a second time is exit code 2."""
        write(folder / "AAA.csv", fallen(prices(), 2))
        call("bars", "pull")
        rows = data("bars", "accept", "AAA")
        assert [(row["session"], row["what"], row["reason_code"]) for row in rows] == [
            (str(day), "bar", "jump") for day in DAYS[-2:]
        ]
        shown = data("bars", "show", "AAA", "--last", "2")
        assert [row["close"] for row in shown] == [
            pytest.approx(close / 2) for _, close in prices()[-2:]
        ]
        assert "held" not in {row["what"] for row in data("bars", "check")}
        assert call("bars", "pull").exit_code == 0
        assert data("bars", "show", "AAA", "--last", "2") == shown
        result = call("bars", "accept", "AAA")
        assert result.exit_code == 2
        assert "nothing is held of AAA" in result.stderr

    def test_what_is_accepted_is_not_held_again(self, folder: Path) -> None:
        """A source that goes on telling a bar that cannot be is believed about that bar alone."""
        rows = [f"{day},{close},{close + 1}" for day, close in prices()]
        wrong = f"{DAYS[-2]},100.0,99.0"  # a high below the close
        (folder / "AAA.csv").write_text("\n".join(["date,close,high", *rows[:-2], wrong, rows[-1]]))
        assert call("bars", "pull").exit_code == 1
        data("bars", "accept", "AAA")
        [row] = [row for row in data("bars", "pull") if row["symbol"] == "AAA"]
        assert row["held_bars"] == 0
        assert call("bars", "check").exit_code == 0
        other = f"{DAYS[-2]},101.0,99.0"
        (folder / "AAA.csv").write_text("\n".join(["date,close,high", *rows[:-2], other, rows[-1]]))
        assert call("bars", "pull").exit_code == 1

    def test_either_of_two_bars_of_a_session(self, folder: Path) -> None:
        """Where one of them was accepted, neither is held again."""
        rows = [f"{day},{close}" for day, close in prices()]
        (folder / "AAA.csv").write_text("\n".join(["date,close", *rows, f"{DAYS[-1]},105.5"]))
        assert call("bars", "pull").exit_code == 1
        data("bars", "accept", "AAA")
        assert call("bars", "pull").exit_code == 0

    def test_one_session_alone(self, folder: Path) -> None:
        """The other one stays held; a session of which nothing is held is exit code 2."""
        write(folder / "AAA.csv", fallen(prices(), 2))
        call("bars", "pull")
        result = call("bars", "accept", "AAA", "--session", "2023-01-03")
        assert result.exit_code == 2
        [row] = data("bars", "accept", "AAA", "--session", str(DAYS[-2]))
        assert row["session"] == str(DAYS[-2])
        held = [row for row in data("bars", "check", code=1) if row["what"] == "held"]
        assert [row["session"] for row in held] == [str(DAYS[-1])]

    def test_what_is_no_number_cannot_be_stored(self, folder: Path) -> None:
        """It stays held and is said in one line; the others are taken; exit code 1."""
        write(folder / "AAA.csv", fallen(prices(), 2))
        call("bars", "pull")
        change(folder, "update quarantine set close = null where session = ?", str(DAYS[-2]))
        result = call("bars", "accept", "AAA", "--json")
        assert result.exit_code == 1
        assert [row["session"] for row in json.loads(result.stdout)] == [str(DAYS[-1])]
        assert result.stderr.count("\n") == 1
        assert str(DAYS[-2]) in result.stderr

    def test_an_unknown_series_is_refused(self, folder: Path) -> None:
        """Exit code 2, as everywhere."""
        data("bars", "pull")
        assert call("bars", "accept", "AAB").exit_code == 2


class TestElsewhere:
    def test_a_run_says_what_it_noticed_on_standard_error(self, folder: Path) -> None:
        """A note is no problem: the exit code stays 0, with --json too."""
        small = "[schedule]\ninitial_backfill = 0\n[model]\nepochs = 1\nhidden_size = 2\n"
        (folder / "config.toml").write_text(CONFIG + small)
        assert call("run").exit_code == 0
        rows = prices()
        rows[-3] = (rows[-3][0], rows[-3][1] * 1.02)
        write(folder / "AAA.csv", rows)
        result = call("run", "--json")
        assert result.exit_code == 0, result.output
        assert len(json.loads(result.stdout)["alerts"]) == 1
        [note] = result.stderr.splitlines()
        assert note.startswith("forecaster: note: AAA: the close of")

    def test_the_list_of_series_counts_what_is_held(self, folder: Path) -> None:
        """A glance tells which series have prices that wait for a word."""
        write(folder / "AAA.csv", fallen(prices(), 2))
        call("bars", "pull")
        assert [(row["name"], row["held"]) for row in data("series", "list")] == [
            ("AAA", 2),
            ("BBB", 0),
        ]
