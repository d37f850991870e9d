"""The documents, cut into code blocks, headings, links and tables."""

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])


@dataclass(frozen=True)
class Block:
    """A fenced code block.

    Attributes:
        where: document and line, for messages.
        language: the first word after the fence.
        marks: the other words.
        text: what it holds.
    """

    where: str
    language: str
    marks: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return self.where


def blocks(language: str | None = None, document: str = "") -> list[Block]:
    """Return the code blocks of a language or of all, of all documents or of one."""
    chosen = [each for each in DOCUMENTS if document in ("", each.name)]
    found = [block for path in chosen for block in _blocks(path)]
    return [block for block in found if language in (None, block.language)]


def _blocks(path: Path) -> Iterator[Block]:
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(
        r"^( *)```(\S*)([^\n]*)\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE
    ):
        indent, language, marks, body = found.groups()
        line = text.count("\n", 0, found.start()) + 1
        unindented = "".join(each.removeprefix(indent) for each in body.splitlines(keepends=True))
        yield Block(f"{path.name}:{line}", language, tuple(marks.split()), unindented)


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors that the headings of a document have."""
    titles = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title).strip().lower() for title in titles)
    return {title.replace(" ", "-") for title in plain}


def section(path: Path, title: str) -> str:
    """Return what stands under a heading, up to the next one of its level or above."""
    text = path.read_text(encoding="utf-8")
    found = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert found, f"{path.name} has no heading {title!r}"
    rest = text[found.end() :]
    following = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def first_cells(text: str) -> list[str]:
    """Return the first cell of each row of the tables in a text, without their headers."""
    rows = re.sub(r"^\|.*\n\|---.*$", "", text, flags=re.MULTILINE)
    return [cell.strip("`") for cell in re.findall(r"^\| ([^|]+?) \|", rows, re.MULTILINE)]


def reference() -> ModuleType:
    """Return docs/reference.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_reference", ROOT / "docs/reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
