"""The reporter that writes a folder of pages: figures, tables, no network, no server."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field

from forecaster import hookimpl
from forecaster.errors import ForecasterError
from forecaster.hooks import Options, Report, Reporter, read_options

from ..wording import plain
from . import pages as page_values

if TYPE_CHECKING:
    from jinja2 import Environment

MARKER: Final = ".forecaster-report"
MARKER_TEXT: Final = "Written by forecaster. Every report replaces the pages in this folder.\n"
TEMPLATES: Final = Path(__file__).with_name("templates")
ASSETS: Final = ("report.css", "report.js")
PLOTLY: Final = "plotly.min.js"
INDEX: Final = "index.html"
PARTIAL: Final = ".partial-"


class HtmlOptions(Options):
    """The table `[reporters.html]`."""

    folder: str = Field(default="report", min_length=1)
    """Where the pages go; relative to the configuration file."""


class HtmlReporter:
    """Writes index.html, a page per series, and plotly.js once beside them."""

    name: ClassVar[str] = "html"

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:
        self.folder = folder / read_options(HtmlOptions, options, "reporters.html").folder

    def report(self, report: Report) -> Path:
        """Write the folder and return the path of its index.html.

        Raises:
            ForecasterError: the folder holds something else, or cannot be written.
        """
        try:
            with _claimed(self.folder) as partial:
                _write_pages(report, partial)
                _publish(partial, self.folder)
        except OSError as error:
            raise ForecasterError(
                f"cannot write the report to {self.folder}: {error.strerror or error}",
                remedy="make the folder writable or name another one under [reporters.html]",
                code="report_folder",
            ) from error
        return self.folder / INDEX


@contextmanager
def _claimed(folder: Path) -> Iterator[Path]:
    """Hold the report's folder and give an empty folder inside it to write to.

    Inside, so that moving a page into place never crosses file systems, even where the report's
    folder is a mount of its own. A folder made here is taken away again when nothing was written.
    """
    _refuse_foreign(folder)
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(MARKER_TEXT, encoding="utf-8")
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left_over in folder.glob(f"{PARTIAL}*"):
            shutil.rmtree(left_over)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder))
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            if new and not (folder / INDEX).exists():
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _refuse_foreign(folder: Path) -> None:
    if not folder.exists() or (folder / MARKER).exists():
        return
    if not folder.is_dir():
        what = "is a file"
    elif any(folder.iterdir()):
        what = "exists and holds files that are not a report"
    else:
        return
    raise ForecasterError(
        f"the report folder {folder} {what}",
        remedy="move it away or name another folder under [reporters.html]",
        code="report_folder",
    )


def _write_pages(report: Report, folder: Path) -> None:
    environment = _environment()
    pages = [page_values.series_page(series) for series in report.series]
    template = environment.get_template("series.html.jinja")
    for at, page in enumerate(pages):
        beside = {"before": pages[at - 1] if at else None, "after": (*pages, None)[at + 1]}
        text = template.render(report=report, page=page, **beside)
        (folder / page.file).write_text(text, encoding="utf-8")
    text = environment.get_template("index.html.jinja").render(
        report=report, page=page_values.index_page(report)
    )
    (folder / INDEX).write_text(text, encoding="utf-8")


def _environment() -> Environment:
    """Templates in which every value is escaped and free of control characters."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - slow
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    def shown(value: object) -> object:
        return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _publish(partial: Path, folder: Path) -> None:
    """Put every file in its place, the index last, then drop pages of series that are gone."""
    shared = {name: (TEMPLATES / name).read_bytes() for name in ASSETS}
    shared[PLOTLY] = plotly_js()
    for name, content in shared.items():
        if not _holds(folder / name, content):
            (partial / name).write_bytes(content)
    written = sorted((path.name for path in partial.iterdir()), key=lambda name: name == INDEX)
    for name in written:
        (partial / name).replace(folder / name)
    for path in folder.iterdir():
        if page_values.PAGE_NAME.fullmatch(path.name) and path.name not in written:
            path.unlink()


def plotly_js() -> bytes:
    """Return the JavaScript library that comes with plotly, without importing the Python one."""
    found = importlib.util.find_spec("plotly")
    if found is None or found.origin is None:
        raise ForecasterError("plotly is not installed", remedy="pip install plotly")
    return (Path(found.origin).parent / "package_data" / PLOTLY).read_bytes()


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


@hookimpl
def forecaster_reporters() -> list[type[Reporter]]:
    """Provide `html`."""
    return [HtmlReporter]
