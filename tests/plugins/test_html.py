"""What the HTML reporter writes: pages that are safe, whole, offline, and drawn by a browser."""

import json
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from forecaster.plugins import html, scorecard, wording
from forecaster.plugins.html import HtmlReporter
from forecaster.plugins.html import figures as html_figures
from forecaster.plugins.html import pages as html_pages

from forecaster.errors import ConfigError, ForecasterError
from forecaster.hooks import Report, SeriesReport

values = runpy.run_path(str(Path(__file__).with_name("report_values.py")))
series_report, report_of, SUMMARY = values["series_report"], values["report_of"], values["SUMMARY"]
held_row, alert_row = values["held_row"], values["alert_row"]

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)' x=\"",
    "{{ 7 * 7 }}{% raw %}",
    "../../etc/passwd",
    "a\x1b[31m\x00\x07b\r\nc",
    "javascript:alert(1)",
    "<!--",
    "&lt;b&gt;",
)
VOID = {"meta", "link", "img", "br", "hr", "input"}
ALL_KINDS = {"live": 35, "backfill": 60, "backtest": 101}


class Page(HTMLParser):
    """A page as a browser reads it: tags with attributes, text, and the contents of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        else:
            self.text += data

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def write(folder: Path, report: Report) -> Path:
    """Write a report and return its folder."""
    return HtmlReporter({"folder": "report"}, folder).report(report).parent


def pages(folder: Path) -> dict[str, Page]:
    """All pages of a written report."""
    return {path.name: Page(path.read_text("utf-8")) for path in folder.glob("*.html")}


def hostile_report() -> Report:
    """A report in which everything that comes from outside is an attack."""
    series = []
    for text in HOSTILE:
        one = series_report(text, cutoffs=ALL_KINDS, symbol=text, source=text, calendar=text)
        decisions = tuple(row | {"reason": text, "verdict": text} for row in one.decisions)
        series.append(
            replace(
                one, currency=text, attribution=text, decisions=decisions, historical=True,
                held=(held_row(text, reason=text, what=text),),
                alerts=(alert_row(text, message=text),),
            )
        )  # fmt: skip
    summary = replace(SUMMARY, status="degraded", problems=HOSTILE)
    return replace(report_of(*series, summary=summary), database=HOSTILE[0])


def test_the_folder_holds_an_index_a_page_a_series_and_one_plotly(tmp_path: Path) -> None:
    """One index, one page for each series, and what they share once beside them."""
    index = HtmlReporter({}, tmp_path).report(report_of(series_report("A"), series_report("B")))
    assert index == tmp_path / "report" / "index.html"
    names = sorted(path.name for path in index.parent.iterdir())
    own = [name for name in names if re.fullmatch(r"[ab]-[0-9a-f]{8}\.html", name)]
    shared = [".forecaster-report", "index.html", "plotly.min.js", "report.css", "report.js"]
    assert len(own) == 2
    assert sorted(set(names) - set(own)) == shared


def test_hostile_text_is_only_ever_text(tmp_path: Path) -> None:
    """No string from outside makes a tag, an attribute or a script; all of them can be read."""
    folder = write(tmp_path, hostile_report())
    harmless = pages(write(tmp_path / "harmless", report_of(series_report(cutoffs=ALL_KINDS))))
    known = {tag for page in harmless.values() for tag, _ in page.tags} | {
        "aside",
        "ul",
        "li",
        "code",
    }
    for page in pages(folder).values():
        assert {tag for tag, _ in page.tags} <= known
        assert not [name for _, given in page.tags for name in given if name.startswith("on")]
        assert not [a for a in page.named("a") if not html_pages.PAGE_NAME.fullmatch(a["href"])
                    and a["href"] != "index.html"
                    and not re.fullmatch(r"\S+\.html#(held|alerts)", a["href"])]  # fmt: skip
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page.text)
    index = pages(folder)["index.html"]
    for text in HOSTILE:
        assert wording.plain(text) in index.text


def test_scripts_are_local_files_or_json(tmp_path: Path) -> None:
    """The only inline scripts are JSON that parses and holds no character that HTML knows."""
    series = series_report(cutoffs=ALL_KINDS)
    page = pages(write(tmp_path, report_of(series)))[html_pages.page_name(series)]
    kinds = [(given.get("src"), given.get("type")) for given in page.named("script")]
    assert {kind for kind in kinds if kind[0]} == {("plotly.min.js", None), ("report.js", None)}
    assert {kind for kind in kinds if not kind[0]} == {(None, "application/json")}
    figures = [json.loads(text) for text in page.scripts]
    assert len(figures) == 5
    assert not [text for text in page.scripts if set(text) & set("<>&'")]
    expected = html_figures.price_figure(series)
    assert figures[0] == {"data": expected.data, "layout": expected.layout}


def references(page: Page) -> list[str]:
    """Everything that a browser would fetch or follow."""
    names = ("src", "href", "action", "srcset", "poster", "data")
    return [given[name] or "" for _, given in page.tags for name in names if name in given]


def test_the_folder_works_offline(tmp_path: Path) -> None:
    """Every reference names a file of the folder; styles fetch nothing."""
    folder = write(tmp_path, report_of(series_report("A", cutoffs=ALL_KINDS), series_report("B")))
    for page in pages(folder).values():
        assert references(page)
        for reference in references(page):
            assert (folder / reference).is_file()
            assert "/" not in reference
    css = (folder / "report.css").read_text("utf-8")
    assert "url(" not in css
    assert "@import" not in css


def test_the_reference_check_sees_the_network() -> None:
    """The tester is tested: a page that asks a server is noticed."""
    page = Page('<script src="https://cdn.plot.ly/plotly.min.js"></script>')
    assert references(page) == ["https://cdn.plot.ly/plotly.min.js"]


def test_every_page_forbids_what_it_does_not_need(tmp_path: Path) -> None:
    """A content security policy allows scripts from the folder only."""
    for page in pages(write(tmp_path, report_of())).values():
        policy = next(given["content"] for given in page.named("meta")
                      if given.get("http-equiv") == "Content-Security-Policy")  # fmt: skip
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy


def test_page_names_come_from_no_symbol(tmp_path: Path) -> None:
    """Names are a slug and a hash: different for all, the same next time, never a path."""
    names = [
        html_pages.page_name(series_report(text)) for text in (*HOSTILE, "", "日本", "A" * 300)
    ]
    assert len(set(names)) == len(names)
    assert all(html_pages.PAGE_NAME.fullmatch(name) for name in names)
    write(tmp_path, hostile_report())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report"]


def test_writing_again_replaces_and_removes(tmp_path: Path) -> None:
    """Pages of series that are gone go; what others put there stays; plotly is not rewritten."""
    folder = write(tmp_path, report_of(series_report("A"), series_report("B")))
    (folder / "notes.txt").write_text("mine")
    before = (folder / "plotly.min.js").stat().st_mtime_ns
    write(tmp_path, report_of(series_report("B"), series_report("C")))
    assert {path.name[0] for path in folder.glob("*-*.html")} == {"b", "c"}
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "plotly.min.js").stat().st_mtime_ns == before


def test_the_same_report_is_the_same_bytes(tmp_path: Path) -> None:
    """Nothing but the values decides what is written."""
    first, second = (write(tmp_path / name, report_of()) for name in ("a", "b"))
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_a_folder_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    """A folder with other files is refused in one line that says what to do."""
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.tex").write_text("years of work")
    with pytest.raises(ForecasterError, match="holds files that are not a report") as caught:
        write(tmp_path, report_of())
    assert caught.value.code == "report_folder"
    assert "name another folder under [reporters.html]" in caught.value.remedy
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["thesis.tex"]


def test_an_empty_folder_is_used_and_a_file_is_refused(tmp_path: Path) -> None:
    """An empty folder made beforehand is welcome; a file of that name is not."""
    (tmp_path / "a" / "report").mkdir(parents=True)
    assert (write(tmp_path / "a", report_of()) / "index.html").exists()
    (tmp_path / "report").write_text("a file")
    with pytest.raises(ForecasterError, match="is a file"):
        write(tmp_path, report_of())


@pytest.mark.parametrize("place", ["below_a_file", "read_only"])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, place: str) -> None:
    """The cause and the remedy, and nothing left behind."""
    if place == "below_a_file":
        (tmp_path / "home").write_text("a file")
    elif os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    else:
        (tmp_path / "home").mkdir(mode=0o500)
    with pytest.raises(ForecasterError, match="cannot write the report") as caught:
        write(tmp_path / "home", report_of())
    assert caught.value.code == "report_folder"
    assert "\n" not in str(caught.value)


def test_a_failure_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until every page is made, none is replaced; no half of a new one stays."""
    folder = write(tmp_path, report_of(series_report("A")))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(report: Report) -> None:
        raise MemoryError

    monkeypatch.setattr(html_pages, "index_page", fail)
    with pytest.raises(MemoryError):
        write(tmp_path, report_of(series_report("B")))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(MemoryError):
        write(tmp_path / "new", report_of())
    assert not (tmp_path / "new" / "report").exists()


def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    """A partial folder from a run that was killed goes with the next report."""
    folder = write(tmp_path, report_of())
    (folder / f"{html.PARTIAL}dead").mkdir()
    write(tmp_path, report_of())
    assert not list(folder.glob(f"{html.PARTIAL}*"))


def test_tables_and_figures_can_be_read_aloud(tmp_path: Path) -> None:
    """Header cells have a scope, tables a name, drawings a label and a caption in words."""
    for page in pages(write(tmp_path, report_of(series_report(cutoffs=ALL_KINDS)))).values():
        ids = [given["id"] for _, given in page.tags if given.get("id")]
        assert len(ids) == len(set(ids))
        assert all(given.get("scope") in {"row", "col"} for given in page.named("th"))
        assert all(given.get("aria-labelledby") in ids for given in page.named("table"))
        drawings = [given for given in page.named("div") if given.get("role") == "img"]
        assert len(drawings) == len(page.named("figure")) == len(page.named("figcaption"))
        for drawing in drawings:
            assert set((drawing["aria-labelledby"] or "").split()) <= set(ids)


def test_a_page_says_in_words_how_it_went(tmp_path: Path) -> None:
    """The verdict, the backtest against naive, and the coming sessions stand as sentences."""
    series = series_report(cutoffs=ALL_KINDS, noise=0.6, historical=True)
    text = pages(write(tmp_path, report_of(series)))[html_pages.page_name(series)].text
    assert scorecard.sentence(scorecard.main_score(series)) in text
    assert "orse than the last price" in text
    assert "Over 101 targets one session ahead the network's RMSE was" in text
    assert "times naive, worse than repeating the last price." in text
    assert f"Historical: prices end on {series.prices[-1][0]}" in text
    assert "live, 1 ahead" in text
    assert "backfill, 1 ahead" in text


def test_pages_say_what_is_not_better_than_the_last_price(tmp_path: Path) -> None:
    """The verdict of the view stands on the first page and on the series' own, in full."""
    series = series_report(noise=0.0)
    found = pages(write(tmp_path, report_of(series)))
    assert "not better than the last price" in found["index.html"].text
    page = found[html_pages.page_name(series)].text
    assert "Not better than the last price, over 290 outcomes (backfill)" in page
    assert "80 % intervals on target" in page


def test_pages_say_what_forecasts_are_made_of(tmp_path: Path) -> None:
    """A row per horizon with the gate and its evidence, the spread and why; an id to explain."""
    series = series_report()
    first, *rest = series.parts
    why = "linear has been worse than ewma beyond chance (t = -2.47)"
    first = first | {"gate_weight": 0.25, "spread": "ewma", "spread_reason": why}
    series = replace(series, parts=(first | {"forecast_id": 4711}, *rest))
    found = pages(write(tmp_path, report_of(series)))
    page = found[html_pages.page_name(series)].text
    for words in ("open, t = 0.31 after 60", "closed, t = 0.31 after 60", f"ewma: {why}",
                  "forecaster explain 4711", "+0.020", "0.25"):  # fmt: skip
        assert words in page
    index = found["index.html"].text
    assert "Gates open, with the network's weight: AAPL (horizon 1: 0.25)" in index
    assert "network at 1 of 5 horizons" in index


def test_decisions_stand_with_their_evidence(tmp_path: Path) -> None:
    """The network's skill and t value, and by how much coverage was off, beside the reason."""
    series = series_report()
    alarmed = (series.decisions[0] | {"alarms": "huge move"}, *series.decisions[1:])
    text = pages(write(tmp_path, report_of(replace(series, decisions=alarmed))))[
        html_pages.page_name(series)
    ].text
    for words in ("-2.1", "0.44", "+1.3", "huge move"):
        assert words in text


def test_an_empty_series_and_an_empty_report_are_pages_too(tmp_path: Path) -> None:
    """A series without prices, forecasts or outcomes is listed and has its page."""
    empty = series_report("A", cutoffs={}, prices=(), coming=(), decisions=())
    empty = replace(empty, prices=())
    found = pages(write(tmp_path, report_of(empty)))
    assert "no outcome yet" in found["index.html"].text
    assert (
        "No forecast of this series has an outcome yet." in found[html_pages.page_name(empty)].text
    )
    bare = replace(report_of(), series=())
    assert "No series yet" in pages(write(tmp_path, bare))["index.html"].text


def test_what_is_held_and_noticed_has_its_own_place(tmp_path: Path) -> None:
    """A section on the series' page, newest first, and a line with a link on the first page."""
    held = (held_row(session="2026-07-14"), held_row(session="2026-07-15", close=None),
            held_row(session=None, what="answer", close=None, reason="another firm"))  # fmt: skip
    doubtful = series_report("AAPL", held=held, alerts=(alert_row(), alert_row(message="later")))
    folder = write(tmp_path, report_of(doubtful, series_report("MSFT")))
    found = pages(folder)
    page, index = found[html_pages.page_name(doubtful)], found["index.html"]
    for words in ("Held prices", "91.2", "no split says why", "another firm", "Alerts",
                  "later", "forecaster bars accept AAPL"):  # fmt: skip
        assert words in page.text
    assert page.text.index("2026-07-15") < page.text.index("2026-07-14")
    assert "AAPL (3)" in index.text
    assert "AAPL (2)" in index.text
    links = [a["href"] for a in index.named("a")]
    name = html_pages.page_name(doubtful)
    assert {f"{name}#held", f"{name}#alerts"} <= set(links)
    targets = [given.get("id") for tag, given in page.tags if tag == "section"]
    assert targets.count("held") == targets.count("alerts") == 1
    assert "MSFT (" not in index.text


def test_without_doubts_nothing_is_said_of_them(tmp_path: Path) -> None:
    """Pages of prices that nobody doubts have no empty sections."""
    for page in pages(write(tmp_path, report_of(series_report()))).values():
        assert "Held" not in page.text
        assert "Alerts" not in page.text


def stale_series() -> SeriesReport:
    """A series that has been quoted for two more sessions since it was last forecast."""
    series = series_report(cutoffs=ALL_KINDS)
    targets = [row["target_session"] for row in series.coming]
    later = [(targets[1], 401.0), (targets[2], 402.0)]
    return replace(series, prices=(*series.prices, *later))


def test_sessions_stand_in_order_where_prices_overtook_the_forecasts() -> None:
    """A price that is held has no place of its own after later ones: the axis is by session."""
    series = stale_series()
    for figure in (html_figures.price_figure(series), html_figures.coming_figure(series)):
        axis = figure.layout["xaxis"]["categoryarray"]
        assert axis == sorted(set(axis))
        assert series.coming[0]["target_session"] in axis


def test_the_index_gives_no_old_forecast_for_the_next_session(tmp_path: Path) -> None:
    """Where the newest forecast is from before the last price, its date stands in its place."""
    series = stale_series()
    text = " ".join(pages(write(tmp_path, report_of(series)))["index.html"].text.split())
    assert f"newest from {series.coming[0]['cutoff']}" in text
    fresh = series_report(cutoffs=ALL_KINDS)
    assert "newest from" not in pages(write(tmp_path, report_of(fresh)))["index.html"].text


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    """A missing price is a gap in the line, not a page that cannot be read."""
    series = series_report()
    holed = (*series.prices[:-3], (series.prices[-3][0], math.nan), *series.prices[-2:])
    series = replace(series, prices=holed)
    page = pages(write(tmp_path, report_of(series)))[html_pages.page_name(series)]
    for text in page.scripts:
        assert json.loads(text, parse_constant=pytest.fail)


def palette(css: str, scheme: str) -> dict[str, str]:
    """The custom properties of one colour scheme."""
    light, dark = css.split("@media screen and (prefers-color-scheme: dark)", 1)
    text = light if scheme == "light" else dark.split("\n}\n", 1)[0]
    return dict(re.findall(r"(--\w+): (#\w+|rgba\([^)]*\));", text))


def coloured(value: Any, colours: dict[str, str]) -> Any:
    """What report.js does: names of colours become colours."""
    if isinstance(value, str):
        return colours[value] if value.startswith("--") else value
    if isinstance(value, list):
        return [coloured(item, colours) for item in value]
    if isinstance(value, dict):
        return {key: coloured(item, colours) for key, item in value.items()}
    return value


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plotly_accepts_every_figure(scheme: str) -> None:
    """The plain dicts are figures by plotly's own rules, and all their colours are defined."""
    from plotly import graph_objects

    colours = palette((html.TEMPLATES / "report.css").read_text("utf-8"), scheme)
    page = html_pages.series_page(series_report(cutoffs=ALL_KINDS))
    assert list(page.plates) == ["prices", "coming", "skill", "coverage", "backtest"]
    for plate in page.plates.values():
        drawn = {"data": plate.figure.data, "layout": plate.figure.layout}
        graph_objects.Figure(coloured(drawn, colours))
        with pytest.raises(ValueError, match="colour"):
            graph_objects.Figure({**coloured(drawn, colours), "layout": {"colour": 1}})


def test_importing_the_plugin_is_cheap() -> None:
    """Neither plotly nor jinja2 nor numpy is loaded before a report is written."""
    code = (
        "import sys, forecaster.plugins.html, forecaster.plugins.console;"
        "print(sorted({'plotly', 'jinja2', 'numpy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("options", [{"path": "x"}, {"folder": 3}, {"folder": ""}])
def test_bad_options_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    """Unknown and impossible options are configuration errors."""
    with pytest.raises(ConfigError, match=r"reporters\.html"):
        HtmlReporter(options, tmp_path)


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def browse(page: Path, profile: Path) -> tuple[str, list[str]]:
    """Open a page in headless Chromium; return its final DOM and what its console said."""
    installed = (shutil.which(name) for name in BROWSERS)
    browser = os.environ.get("FORECASTER_CHROMIUM") or next(filter(None, installed), None)
    if browser is None:
        pytest.skip("no Chromium: install it or name it in FORECASTER_CHROMIUM")
    done = subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
            "--virtual-time-budget=8000", "--dump-dom", page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE:" in line]


def test_chromium_draws_every_figure_from_the_folder(tmp_path: Path) -> None:
    """Opened as a file, without a network, each drawing holds a plot and the console is silent."""
    report = hostile_report()
    folder = write(tmp_path, report)
    dom, console = browse(folder / html_pages.page_name(report.series[1]), tmp_path / "profile")
    assert console == []
    assert len(re.findall(r'class="[^"]*\bjs-plotly-plot\b', dom)) == 5
    assert dom.count("main-svg") >= 5
    assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", dom)
    _, console = browse(folder / "index.html", tmp_path / "profile")
    assert console == []


def test_the_browser_check_hears_the_console(tmp_path: Path) -> None:
    """The tester is tested: a page that fails to load its script is noticed."""
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><script>undefinedFunction()</script>")
    _, console = browse(page, tmp_path / "profile")
    assert any("undefinedFunction" in line for line in console)


def test_plotly_is_what_plotly_gives() -> None:
    """The library written beside the pages is the one that plotly itself would embed."""
    from plotly.offline import get_plotlyjs

    assert html.plotly_js() == get_plotlyjs().encode()
