"""Validation errors in one line each: which key, which value, what is allowed."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from forecaster.masking import is_secret, mask_password


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        path: the keys that lead to it; a number is a place in a list.
        problem: the value and what is allowed.
        remedy: what to do next, if more can be said.
    """

    path: tuple[str | int, ...]
    problem: str
    remedy: str = ""

    def line(self, table: str = "") -> str:
        """Return the fault on one line; `table` is named before the key."""
        key = dotted(self.path)
        if not key:
            return f"{table}{self.problem}".removeprefix(": ")
        return f"{table} {key}{self.problem}".strip()


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as people write it: `model.epochs`, `[[series]] 2: model.epochs`."""
    text = ""
    for depth, part in enumerate(path):
        if isinstance(part, str):
            text += f".{part}" if text and not text.endswith(" ") else part
        elif depth == 1:
            text = f"[[{text}]] {part + 1}: "
        else:
            text += f"[{part + 1}]"
    return text.removesuffix(": ")


def near(word: str, known: Iterable[str]) -> str:
    """Return what someone who wrote `word` may have meant, as a remedy."""
    known = sorted(known)
    alike = {each: difflib.SequenceMatcher(None, word, each).ratio() for each in known}
    best = max(alike.values(), default=0.0)
    if best >= 0.6:
        close = [each for each in known if alike[each] >= best - 0.05]
        return f"did you mean {' or '.join(close)}?"
    return f"known are {', '.join(known)}" if known else ""


def _shown(key: str | int, value: object) -> str:
    """Return a value for a message: short, on one line, without passwords."""
    text = "***" if is_secret(str(key)) else mask_password(repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


# By pydantic's names of its checks; the others already speak like this.
_WORDS = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "int_type": "a whole number",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "list_type": "a list",
    "model_type": "a table",
    "string_too_short": "a string that is not empty",
    "string_type": "a string in quotes",
    "too_short": "a list that is not empty",
}


def explain(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Return what is wrong, one fault a key, in the order in which it was found."""
    found: dict[tuple[str | int, ...], list[Mapping[str, Any]]] = {}
    for each in error.errors(include_url=False):
        found.setdefault(_key_path(each["loc"], model), []).append(each)
    return [_fault(path, each, model) for path, each in found.items()]


def _fault(
    path: tuple[str | int, ...], errors: Sequence[Mapping[str, Any]], model: type[BaseModel]
) -> Fault:
    first = errors[0]
    if first["type"] == "extra_forbidden":
        return Fault(path, " is not a known key", near(str(path[-1]), _keys(model, path[:-1])))
    if first["type"] == "missing":
        return Fault(path, " is missing", f"add {path[-1]} to the table")
    allowed = " or ".join(dict.fromkeys(_allowed(each) for each in errors))
    if not path or (first["type"] == "value_error" and isinstance(first["input"], Mapping)):
        return Fault(path, f": {allowed}")
    return Fault(path, f" = {_shown(path[-1], first['input'])}: must be {allowed}")


def _allowed(error: Mapping[str, Any]) -> str:
    """Return what a key may be, in the words of the check that failed."""
    if error["type"] in _WORDS:
        return _WORDS[error["type"]].format(**error.get("ctx", {}))
    message: str = error["msg"]
    for beginning in ("Input should be a valid ", "Input should be ", "Value error, ", "must be "):
        message = message.removeprefix(beginning)
    return message


def _field(model: type[BaseModel], name: str) -> FieldInfo | None:
    for key, field in model.model_fields.items():
        if name in (key, field.alias):
            return field
    return None


def _models_of(annotation: object) -> Iterable[type[BaseModel]]:
    """Yield the models in an annotation, those of list items and unions too."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_of(part)


def _keys(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """Return the keys of the table at `path`."""
    current: type[BaseModel] = model
    for part in path:
        field = None if isinstance(part, int) else _field(current, part)
        if field is not None:
            current = next(iter(_models_of(field.annotation)), current)
    fields = current.model_fields.items()
    return [field.alias or name for name, field in fields if not field.exclude]


def _key_path(location: Sequence[str | int], model: type[BaseModel]) -> tuple[str | int, ...]:
    """Return the keys of a location without the names of the checks that pydantic puts in it."""
    current: type[BaseModel] | None = model
    free = 0  # tables below here whose keys are anyone's
    path: list[str | int] = []
    for part in location:
        if current is None and not free and not isinstance(part, int):
            break
        path.append(part)
        if free:
            free -= 1
        elif current is not None and isinstance(part, str):
            field = _field(current, part)
            annotation = None if field is None else field.annotation
            current = next(iter(_models_of(annotation)), None)
            free = _depth(annotation)
    return tuple(path)


def _depth(annotation: object) -> int:
    """Return how many dicts are nested in an annotation."""
    if get_origin(annotation) is not dict:
        return 0
    return 1 + _depth(get_args(annotation)[1])


def first_and_count(faults: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return message and remedy of the first fault, with the count of the others."""
    message, remedy = faults[0]
    others = len(faults) - 1
    return (f"{message} (and {others} more)" if others else message), remedy
