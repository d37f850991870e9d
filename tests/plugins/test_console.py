"""What the console reporter prints."""

import io
import runpy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forecaster.plugins.console import ConsoleReporter
from forecaster.plugins.scorecard import NOT_BETTER

from forecaster.errors import ConfigError
from forecaster.hooks import Report

values = runpy.run_path(str(Path(__file__).with_name("report_values.py")))
series_report, report_of, SUMMARY = values["series_report"], values["report_of"], values["SUMMARY"]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing around the tests decides on width or colour."""
    for name in ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


class Terminal(io.StringIO):
    """A standard output that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Print a report and return what stood on standard output."""

    def run(report: Report, **options: Any) -> str:
        assert ConsoleReporter(options, Path()).report(report) is None
        return capsys.readouterr().out

    return run


def test_requests_are_told_where_there_were_any(printed: Any) -> None:
    """A source of files sends none, and nothing is said of them."""
    assert "24,112 bars pulled with 3 requests, 8 models" in printed(
        report_of(summary=replace(SUMMARY, requests=3))
    )
    assert "24,112 bars pulled, 8 models" in printed(report_of())


@pytest.mark.parametrize("status", ["done", "nothing"])
def test_doubtful_prices_are_named(printed: Any, status: str) -> None:
    """Which series have held prices and how many alerts there were; each is told elsewhere."""
    summary = replace(SUMMARY, status=status, alerts=("AAPL: one", "AAPL: another"))
    series = series_report("AAPL", held=(values["held_row"](),))
    text = printed(report_of(series, series_report("MSFT"), summary=summary))
    assert "Held prices, which are not used: AAPL. See: forecaster bars check" in text
    assert "2 alerts about prices that are used." in text
    assert "Held" not in printed(report_of())
    assert "alert" not in printed(report_of())


def test_parts_come_in_order(printed: Any) -> None:
    """What was done, the coming sessions, the scores, the origin of prices."""
    summary = replace(SUMMARY, historical=True)
    series = series_report(historical=True, attribution="Source: ECB statistics")
    text = printed(report_of(series, summary=summary))
    parts = [
        "Done in 12.3 s: 488 sessions worked, 24,112 bars pulled, 8 models trained, 480 reused",
        "The coming sessions",
        "Forecasts so far against the last price",
        "prices end on",
        "Source: ECB statistics",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_a_row_for_each_series_and_horizon(printed: Any) -> None:
    """Every coming session stands in a row of its own with forecast, intervals and baseline."""
    series = [series_report("AAPL", seed=1), series_report("EURUSD", seed=2)]
    lines = printed(report_of(*series)).splitlines()
    for one in series:
        for row in one.coming:
            line = next(
                line for line in lines
                if line.split()[:3] == [one.name, str(row["horizon"]), row["target_session"]]
            )  # fmt: skip
            for column in ("forecast", "lo80", "hi80", "lo95", "hi95", "baseline"):
                assert f"{row[column]:.2f}" in line


def test_eighty_columns_hold_everything(printed: Any) -> None:
    """At 80 columns no line is longer, and no number is cut or broken."""
    names = ("AAPL", "EURUSD", "a rather long name of a series")
    series = [series_report(name, cutoffs={"live": 40, "backfill": 60}) for name in names]
    text = printed(report_of(*series), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    for row in series[0].coming:
        assert f"{row['lo95']:.2f}" in text


def test_a_pipe_gets_whole_lines_without_colour(printed: Any) -> None:
    """Where there is no terminal, nothing is wrapped, cut or coloured."""
    name = "a rather long name of a series that no column would hold"
    text = printed(report_of(series_report(name)))
    assert "\x1b" not in text
    assert "…" not in text
    assert sum(line.startswith(name) for line in text.splitlines()) == 6


def test_a_terminal_gets_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal tables keep to its width, and headings are set off."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "100")
    ConsoleReporter({}, Path()).report(report_of())
    assert "\x1b[1mThe coming sessions\x1b[0m" in terminal.getvalue()


def test_kinds_have_rows_and_verdicts_of_their_own(printed: Any) -> None:
    """Live and backfill are never mixed: neither in a row, nor in a verdict, nor in coverage."""
    series = series_report(cutoffs={"live": 40, "backfill": 60}, noise=0.0)
    verdicts = {"live": NOT_BETTER, "backfill": "better than the last price"}
    skill = tuple(row | {"verdict": verdicts[row["kind"]]} for row in series.skill)
    text = printed(report_of(replace(series, skill=skill)))
    rows = [line.split()[:3] for line in text.splitlines()]
    assert ["AAPL", "live", "190"] in rows
    assert ["AAPL", "backfill", "290"] in rows
    assert "Not better than the last price (live): AAPL." in text
    assert "Better than the last price (backfill): AAPL." in text
    assert "Better than the last price (live)" not in text
    assert "(live)" in text.partition("Coverage")[2]


def test_few_outcomes_are_not_praised(printed: Any) -> None:
    """Twelve sessions of luck are not better than the last price."""
    text = printed(report_of(series_report(cutoffs={"live": 12}, foresight=0.5)))
    assert "Not better than the last price (live): AAPL." in text
    assert "Better than" not in text


def test_closed_gates_are_told(printed: Any) -> None:
    """Where no network speaks, one line says so, and one whose spread it is."""
    text = printed(report_of(series_report("A"), series_report("B")))
    assert "No gate is open" in text
    assert "Spread: linear." in text


def test_open_gates_and_other_spreads_are_named(printed: Any) -> None:
    """The series, the horizon and the weight of a gate; where another spread is in use."""
    series = series_report("A")
    first, *rest = series.parts
    parts = (first | {"gate_weight": 0.318, "spread": "ewma"}, *rest)
    text = printed(report_of(replace(series, parts=parts), series_report("B")))
    assert "Gates open, with the network's weight: A (horizon 1: 0.32)" in text
    assert "Spread: linear; ewma for A at horizon 1." in text
    assert "No gate" not in text


def test_a_report_that_does_not_know_the_parts_says_nothing_of_them(printed: Any) -> None:
    """What an older program stored has no parts: no gate is called open or closed."""
    text = printed(report_of(series_report(parts=(), gates=())))
    assert "gate" not in text.lower()
    assert "Spread" not in text


def test_coverage_is_on_target_or_off_by_points(printed: Any) -> None:
    """Intervals that held 60 % instead of 80 % are 20 points off, and 79 % is on target."""

    def covered(share: float) -> Any:
        series = series_report(cutoffs={"live": 100})
        rows = (
            row | {"covered": round((share if row["level"] < 0.9 else 0.95) * row["n"])}
            for row in series.calibration
        )
        return replace(series, calibration=tuple(rows))

    assert "Coverage is on target, within noise (live)." in printed(report_of(covered(0.79)))
    assert "AAPL 80 % -20." in printed(report_of(covered(0.6)))


def test_nothing_to_do_is_one_line(printed: Any) -> None:
    """A run without work says so, names the last session, and is otherwise silent."""
    series = series_report(historical=True, attribution="Source: ECB statistics")
    text = printed(report_of(series, summary=replace(SUMMARY, status="nothing")))
    assert text == (
        f"Nothing to do: the last session was {series.prices[-1][0]}, "
        "and its forecasts are stored.\n"
    )


def test_nothing_to_do_over_several_calendars_names_both_ends(printed: Any) -> None:
    """Series that end on different sessions share the one line."""
    short = series_report("B", values["random_walk"](2)[:300])
    long = series_report("A")
    text = printed(report_of(long, short, summary=replace(SUMMARY, status="nothing")))
    assert f"{short.prices[-1][0]} to {long.prices[-1][0]}" in text
    assert text.count("\n") == 1


def test_no_summary_means_no_story_of_a_run(printed: Any) -> None:
    """A report asked for outside a run starts with the forecasts."""
    text = printed(report_of(summary=None))
    assert "worked" not in text
    assert text.lstrip().startswith("The coming sessions")


def test_without_forecasts_or_outcomes_it_says_so(printed: Any) -> None:
    """A young ledger prints sentences, not empty tables."""
    young = series_report(cutoffs={}, coming=())
    text = printed(report_of(young))
    assert "No forecasts yet." in text
    assert "No outcomes yet" in text


def test_a_fallback_is_named(printed: Any) -> None:
    """A forecast that is only the last price is not passed off as the network's."""
    series = series_report()
    fallen = tuple(row | {"status": "fallback"} for row in series.coming)
    assert "Fallback" in printed(report_of(replace(series, coming=fallen)))


def test_many_series_stay_readable(printed: Any) -> None:
    """Sixty series print a part of each table and say where the rest is."""
    text = printed(report_of(*(series_report(f"S{i:02d}", seed=i) for i in range(60))))
    assert len(text.splitlines()) < 80
    assert "... and 40 more series, and their further horizons: forecaster forecasts" in text
    assert "all 60 rows: forecaster accuracy" in text
    assert "Forecasts have left the last price at 300 horizons of all series" in text


def test_text_from_outside_is_only_text(printed: Any) -> None:
    """Markup, escape sequences and line breaks in names have no effect."""
    name = "[red]\x1b[31mA\x1b]0;title\x07 [bold]no[/bold]\nsecond"
    text = printed(report_of(series_report(name)))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red] [31mA ]0;title [bold]no[/bold] second" in text


def test_an_output_without_unicode_gets_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C locale prints the same tables in ASCII instead of failing."""
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as narrow:
        monkeypatch.setattr(sys, "stdout", narrow)
        ConsoleReporter({}, Path()).report(report_of(series_report("Zürich")))
        narrow.flush()
        monkeypatch.undo()
        assert b"Z?rich" in raw.getvalue()
        assert b" to " in raw.getvalue()


@pytest.mark.parametrize("options", [{"colour": True}, {"width": "wide"}, {"width": 3}])
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    """Unknown and impossible options are configuration errors."""
    with pytest.raises(ConfigError, match=r"reporters\.console"):
        ConsoleReporter(options, Path())
