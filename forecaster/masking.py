"""What never stands in a file, a message, a log or a listing."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote

HIDDEN = "***"

SHORTEST = 6
"""Characters of a secret that is looked for in texts: a shorter one would hide half of them."""

_PASSWORD = re.compile(
    r"(\w://[^:/@\s]*:)([^@\s]+)(?=@)|([?&]password=)([^&\s'\"]+)", re.IGNORECASE
)
_SECRET = re.compile(r"password|passwd|secret|token|api_?key|credential", re.IGNORECASE)
_VARIABLE = re.compile(r"(^|_)(PASS|KEY)(_|$)|APIKEY")
_PLACE = re.compile(r"_(FILE|PATH|DIR)$")

_known: set[str] = set()


def is_secret(key: str) -> bool:
    """Say whether the value of a key is one to hide, by its name."""
    return _SECRET.search(key) is not None


def has_password(url: str) -> bool:
    """Say whether a URL carries a password."""
    return _PASSWORD.search(url) is not None


def mask_password(text: str) -> str:
    """Return `text` with the passwords of its URLs as ***."""
    return _PASSWORD.sub(r"\1\3***", text)


def mask(text: str) -> str:
    """Return `text` without the passwords of URLs, and without every secret that was hidden."""
    for secret in sorted(_known, key=len, reverse=True):  # one may be the beginning of another
        text = text.replace(secret, HIDDEN)
    return mask_password(text) if "://" in text or "=" in text else text


def hide(values: Iterable[str]) -> None:
    """Have these values masked from now on, in every message and log line of this process."""
    for value in values:
        for form in (value, value.strip(), unquote(value), quote(value, safe="")):
            if len(form) >= SHORTEST and form != HIDDEN:
                _known.update((form, form.encode("unicode_escape").decode()))


def forget() -> None:
    """Hide nothing any more that was told before."""
    _known.clear()


def hide_environment(environ: Mapping[str, str]) -> None:
    """Hide the variables whose name says that they are secret, and the passwords of all URLs."""
    for name, value in environ.items():
        spoken = name.upper()
        if (is_secret(spoken) or _VARIABLE.search(spoken)) and not _PLACE.search(spoken):
            hide([value])
        hide(_passwords(value))


def hide_settings(tables: Mapping[str, Any]) -> None:
    """Hide the values of keys whose name says that they are secret, and the passwords of URLs."""
    for key, value in tables.items():
        _hide_value(value, secret=is_secret(key))


def _hide_value(value: Any, *, secret: bool) -> None:
    if isinstance(value, Mapping):
        for key, each in value.items():
            _hide_value(each, secret=secret or is_secret(str(key)))
    elif isinstance(value, list | tuple):
        for each in value:
            _hide_value(each, secret=secret)
    elif isinstance(value, str):
        hide([value] if secret else _passwords(value))


def _passwords(text: str) -> list[str]:
    return [one[2] or one[4] for one in _PASSWORD.finditer(text)]
