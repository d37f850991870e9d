"""Rewrite the generated parts of docs/: `python docs/reference.py`.

A generated part stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`.
"""

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from forecaster.cli import cli
from forecaster.config import SeriesTable, Settings

DOCS = Path(__file__).parent
VERBATIM = "\b"
OPTIONS = {
    "plugins.csv": ("forecaster.plugins.files", "CsvOptions"),
    "plugins.dask": ("forecaster.plugins.executors.cluster", "DaskOptions"),
    "plugins.database": ("forecaster.plugins.database", "DatabaseOptions"),
    "plugins.local": ("forecaster.plugins.executors.local", "LocalOptions"),
    "plugins.yahoo": ("forecaster.plugins.yahoo", "YahooOptions"),
    "reporters.console": ("forecaster.plugins.console", "ConsoleOptions"),
    "reporters.html": ("forecaster.plugins.html", "HtmlOptions"),
}


def tables() -> str:
    """Return a table of keys for each table of config.toml."""
    parts = [_keys("[[series]]", SeriesTable)]
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            parts.append(_keys(f"[{name}]", field.annotation))
    return "\n\n".join(parts)


def options() -> str:
    """Return a table of keys for each plugin of the program that has options."""
    found = [
        (f"[{table}]", getattr(import_module(module), model))
        for table, (module, model) in OPTIONS.items()
    ]
    return "\n\n".join(_keys(table, model) for table, model in found)


def _keys(title: str, model: type[BaseModel]) -> str:
    found = model.model_json_schema()
    rows = [f"### `{title}`", "", "| key | default | allowed | meaning |", "|---|---|---|---|"]
    for key, about in found["properties"].items():
        if key in found.get("required", ()):
            default = "required"
        elif about.get("default") is None and "properties" not in about:
            default = "none" if "items" not in about else "`[]`"
        else:
            default = f"`{_toml(about.get('default', {}))}`"
        meaning = " ".join(about.get("description", "").split())
        rows.append(f"| `{key}` | {default} | {_allowed(about)} | {meaning} |")
    return "\n".join(rows)


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).replace("'", '"').lower()


def _allowed(about: dict[str, Any]) -> str:
    """Return what a key may be, from its JSON Schema."""
    if "anyOf" in about:
        return ", or ".join(_allowed(each) for each in about["anyOf"] if each["type"] != "null")
    if "enum" in about:
        return ", ".join(f"`{_toml(each)}`" for each in about["enum"])
    if "items" in about:
        return "list of strings"
    bounds = {
        "minimum": "at least {}", "exclusiveMinimum": "above {}",
        "maximum": "at most {}", "exclusiveMaximum": "below {}",
    }  # fmt: skip
    limits = [words.format(_toml(about[key])) for key, words in bounds.items() if key in about]
    name = {"integer": "whole number", "boolean": "`true`, `false`", "object": "table"}
    return ", ".join([name.get(about["type"], about["type"]), *limits])


def commands() -> str:
    """Return a section for each command, with its arguments and options."""
    return "\n\n".join(_section(path, command) for path, command in every_command(cli))


def every_command(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield the group itself and every command in it, with the words that lead to it."""
    yield path, group
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name), command


def _section(path: tuple[str, ...], command: click.Command) -> str:
    name = " ".join(("forecaster", *path))
    options = [each for each in command.params if isinstance(each, click.Option)]
    arguments = [each for each in command.params if isinstance(each, click.Argument)]
    pieces = [name, *(["[OPTIONS]"] if options else [])]
    pieces += [str(each.name).upper() for each in arguments]
    pieces += ["COMMAND ..."] if isinstance(command, click.Group) else []
    about = _paragraphs(cleandoc(command.help or ""))
    lines = [f"{'#' * (2 + len(path))} `{name}`", "", about, "", "```", " ".join(pieces), "```"]
    if options:
        lines += ["", "| option | value | meaning |", "|---|---|---|"]
        lines += [_option(each) for each in options]
    return "\n".join(lines)


def _paragraphs(text: str) -> str:
    """Return a help text as Markdown; after a backspace click keeps the lines as they are."""
    return "\n\n".join(
        f"```text{part.removeprefix(VERBATIM)}\n```"
        if part.startswith(VERBATIM)
        else " ".join(part.split())
        for part in text.split("\n\n")
    )


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    facts = [str(option.help or "")]
    facts += ["Required."] if option.required else []
    facts += ["May be repeated."] if option.multiple and "repeated" not in facts[0] else []
    facts += [f"Default: {option.default}."] if option.show_default else []
    facts += [f"Or the environment variable `{option.envvar}`."] if option.envvar else []
    return f"| {names} | {_value(option)} | {' '.join(filter(None, facts))} |"


def _value(option: click.Option) -> str:
    """Return what follows an option, in words that do not depend on the version of click."""
    kind = option.type
    if option.is_flag:
        return ""
    if isinstance(kind, click.Choice):
        return ", ".join(f"`{each}`" for each in kind.choices)
    if isinstance(kind, click.IntRange | click.FloatRange):
        above = ("above" if kind.min_open else "at least", kind.min)
        below = ("below" if kind.max_open else "at most", kind.max)
        limits = [f"{word} {limit}" for word, limit in (above, below) if limit is not None]
        name = "whole number" if isinstance(kind, click.IntRange) else "number"
        return ", ".join([name, *limits])
    if isinstance(kind, click.DateTime):
        return "`YYYY-MM-DD`" if len(kind.formats) == 1 else "`YYYY-MM-DD[THH:MM[:SS]]`"
    return f"`{option.metavar or option.name}`".upper()


GENERATED: dict[str, dict[str, Callable[[], str]]] = {
    "configuration.md": {"tables": tables, "options": options},
    "commands.md": {"commands": commands},
}


def regenerated(text: str, parts: dict[str, Callable[[], str]]) -> str:
    """Return a document with its generated parts made anew."""
    for name, make in parts.items():
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*{re.escape(end)}", re.DOTALL)
        made = f"{begin}\n\n{make()}\n\n{end}"
        text, count = pattern.subn(lambda _, made=made: made, text)  # type: ignore[misc]
        if count != 1:
            raise ValueError(f"{begin} and {end} must stand in the document once")
    return text


def main() -> None:
    """Rewrite the documents that have generated parts."""
    for name, parts in GENERATED.items():
        path = DOCS / name
        path.write_text(regenerated(path.read_text(encoding="utf-8"), parts), encoding="utf-8")


if __name__ == "__main__":
    main()
