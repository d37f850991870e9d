"""docs/network.md leads to the code that it explains, and its tables are the program's."""

import ast
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from forecaster.model import ACTIVATIONS
from forecaster.model.losses import LOSSES

from .documents import ROOT, first_cells, prose, section

NETWORK = ROOT / "docs/network.md"
CELL = ROOT / "forecaster/model/cell.py"


def named(text: str) -> list[tuple[str, str]]:
    """Return (name, file) of every link whose text is a name and whose target is Python code."""
    return re.findall(r"\[`([\w.]+)`\]\(([^)#]+\.py)\)", text)


def defined(path: Path) -> set[str]:
    """Return the file's own name and the functions, classes and methods that it defines."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    methods = {f"{each.name}.{node.name}" for each in classes for node in functions(each.body)}
    return {each.name for each in [*classes, *functions(nodes)]} | methods | {path.name}


def functions(nodes: list[ast.stmt]) -> list[ast.FunctionDef]:
    """Return those that are functions."""
    return [node for node in nodes if isinstance(node, ast.FunctionDef)]


def test_every_function_named_is_where_the_document_says() -> None:
    """A link that names a function or a class leads to the file that defines it."""
    links = named(prose(NETWORK))
    assert len(links) > 25
    for name, target in links:
        assert name in defined((NETWORK.parent / target).resolve()), f"{target} has no {name}"


def test_a_function_that_has_gone_is_noticed() -> None:
    """The check of names knows what a file defines."""
    assert named("[`Tape.x`](../cell.py), [cells](../cell.py)") == [("Tape.x", "../cell.py")]
    assert {"backward", "Tape", "cell.py"} <= defined(CELL)
    assert not {"sideways", "Tape.backward"} & defined(CELL)


def test_the_equations_are_those_of_the_code() -> None:
    """Each numbered line of the document stands in the docstring of cell.py, but for spaces."""

    def equations(text: str) -> set[str]:
        lines = re.findall(r"^ *(\S.*\(\d\).*)$", text, re.MULTILINE)
        return {re.sub(r"\s+", " ", line) for line in lines if " = " in line}

    inside = re.findall(r"^```text\n(.*?)^```$", NETWORK.read_text("utf-8"), re.S | re.M)
    documented = {each for each in equations("".join(inside)) if "(4)" not in each}
    code = equations(ast.get_docstring(ast.parse(CELL.read_text("utf-8"))) or "")
    assert documented == {each for each in code if "(4)" not in each}
    assert len(documented) == 7  # (1) to (8) but (4), which the document tells at length


def test_the_table_of_activations_is_complete_and_right() -> None:
    """Each activation has a row, with the gain that the program uses."""
    rows = re.findall(
        r"^\| `(\w+)` \|.*\| ([\d.]+) \|[^|]+\|$", section(NETWORK, "Where training starts"), re.M
    )
    assert {name: float(gain) for name, gain in rows} == {
        name: pytest.approx(each.gain, abs=5e-5) for name, each in ACTIVATIONS.items()
    }


def test_every_loss_is_explained() -> None:
    """The losses that can be chosen each have a row."""
    rows = first_cells(section(NETWORK, "Other losses"))
    assert [re.findall(r"\w+", row)[0].lower() for row in rows] == list(LOSSES)


def test_the_figure_is_whole_and_small() -> None:
    """unrolled.svg is XML with a title, in both colour schemes, and the document shows it."""
    path = ROOT / "docs/unrolled.svg"
    text = path.read_text(encoding="utf-8")
    root = ET.fromstring(text)
    names = [child.tag.rpartition("}")[2] for child in root]
    assert names[:2] == ["title", "desc"]
    assert "prefers-color-scheme: dark" in text
    assert len(text) < 10_000
    assert re.search(r"!\[[^\]]{40,}\]\(unrolled\.svg\)", NETWORK.read_text(encoding="utf-8"))


def test_every_departure_has_a_row() -> None:
    """The table of the article's faults has one row for each switch of bench/article.py."""
    code = ast.parse((ROOT / "bench/article.py").read_text(encoding="utf-8"))
    faults = next(each for each in code.body if isinstance(each, ast.ClassDef))
    assert faults.name == "Faults"
    switches = [each.target.id for each in faults.body if isinstance(each, ast.AnnAssign)]
    title = "Where the article's published code departs from its own mathematics"
    rows = first_cells(section(NETWORK, title))
    assert [row for row in rows if row in switches] == switches
