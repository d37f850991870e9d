"""Put the figures of bench/results.json into docs/speed.md, between its two marks."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import GROUPS, RESULTS, time_text

DOCUMENT = Path(__file__).parents[1] / "docs" / "speed.md"
BEGIN, END = "<!-- measured: written by bench/document.py -->", "<!-- end of measured -->"

Rows = Mapping[str, Mapping[str, Any]]  # by "group: work"


def figure(rows: Rows, row: str, name: str) -> float | None:
    """One figure, or None where it was not measured."""
    found = rows.get(row)
    return found["figures"].get(name) if found else None


def ratio(row: str) -> Callable[[Rows], str | None]:
    """How many times as fast the program is as that row."""

    def text(rows: Rows) -> str | None:
        found = figure(rows, row, "ratio")
        return None if found is None else f"{found:,.1f}" if found < 100 else f"{found:,.0f}"

    return text


def share(row: str) -> Callable[[Rows], str | None]:
    """What share of the peak the program reaches."""

    def text(rows: Rows) -> str | None:
        found = figure(rows, row, "share_of_peak")
        return None if found is None else f"{found:.0%}"

    return text


def refit_time(rows: Rows) -> str | None:
    """Of training and forecasting one series."""
    found = rows.get("refit: this program")
    return time_text(found["seconds"]) if found else None


def dollars(rows: Rows) -> str | None:
    """The error of the program's own settings."""
    found = figure(rows, "article: this program, its own settings", "rmse")
    return None if found is None else f"{found:.3f}"


def seasons_beaten(rows: Rows) -> str | None:
    """How many of the seasonal series the network is better on."""
    found = [row["figures"]["ratio"] for row in rows.values() if row["group"] == "seasonal"
             and row["figures"]]  # fmt: skip
    return f"{sum(each < 1 for each in found)} of {len(found)}" if found else None


def night(row: str) -> Callable[[Rows], str | None]:
    """The seconds and the memory of a whole night of many series."""

    def text(rows: Rows) -> str | None:
        found = rows.get(row)
        if found is None:
            return None
        return f"{time_text(found['seconds'])}, {found['figures']['megabytes']:.0f} MB"

    return text


def growth(rows: Rows) -> str | None:
    """How many times the time of 10 series 1000 take, retrained."""
    some, many = (rows.get(f"fleet: {count} series, all retrained") for count in (10, 1000))
    return f"{many['seconds'] / some['seconds']:.0f}" if some and many else None


ASKED: Sequence[tuple[str, str, Callable[[Rows], str | None]]] = (
    ("times as fast as PyTorch, batch 1", "4", ratio("step: batch 1: PyTorch")),
    ("times as fast as PyTorch, batch 32", "4, better 5", ratio("step: batch 32: PyTorch")),
    ("times as fast as PyTorch, batch 64", "4, better 5", ratio("step: batch 64: PyTorch")),
    ("times as fast as JAX, batch 32", "2", ratio("step: batch 32: JAX")),
    ("times as fast as JAX, batch 64", "2", ratio("step: batch 64: JAX")),
    ("of the peak, batch 64", "50 %, better 60 %", share("step: batch 64: this program")),
    ("one series of 756 bars refitted and forecast", "120 ms at most", refit_time),
    ("times as fast as the article's code", "500", ratio("article: the published code")),
    ("its error on the article's targets, dollars", "2.238 at most", dollars),
    ("series with seasons: better than the seasonal naive", "3 of 4", seasons_beaten),
    ("a night of 500 series, all retrained", "60 s, 600 MB at most",
     night("fleet: 500 series, all retrained")),
    ("a night of 500 series, models reused", "5 s at most",
     night("fleet: 500 series, models reused")),
    ("1000 series retrained take, times as long as 10", "100 at most", growth),
)  # fmt: skip


def asked_table(rows: Rows) -> str:
    """What is asked, and what was measured."""
    lines = ["| what | asked | measured |", "|---|---|---|"]
    lines += [f"| {what} | {least} | {text(rows) or ''} |" for what, least, text in ASKED]
    return "\n".join(lines)


def group_table(group: str, rows: Rows) -> str:
    """All rows of a group."""
    lines = [f"**{group}**: {GROUPS[group][1]}", "", "| work | time | |", "|---|---|---|"]
    lines += [
        f"| {row['work']} | {time_text(row['seconds'])} | {row['note']} |"
        for row in rows.values()
        if row["group"] == group
    ]
    return "\n".join(lines)


def measured(document: Mapping[str, Any]) -> str:
    """The part of the document that is written by this program."""
    machine, versions = document["machine"], document["versions"]
    rows = {f"{row['group']}: {row['work']}": row for row in document["rows"]}
    with_them = ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    groups = dict.fromkeys(row["group"] for row in rows.values())
    where = f"{machine['processor']}, {machine['cores']} cores"
    tables = (group_table(group, rows) for group in groups)
    first = f"Measured on {document['date']}: {where}; {with_them}."
    return "\n\n".join([first, asked_table(rows), *tables])


def replaced(text: str, part: str) -> str:
    """The document with this part between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{after}"


def main() -> None:
    """Rewrite docs/speed.md."""
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replaced(text, measured(document)), encoding="utf-8")


if __name__ == "__main__":
    main()
