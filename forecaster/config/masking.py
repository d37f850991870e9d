"""What never stands in a file, a message or a listing."""

import re

_PASSWORD = re.compile(r"(\w://[^:/@\s]*:)[^@\s]+(?=@)|([?&]password=)[^&\s'\"]+", re.IGNORECASE)
_SECRET = re.compile(r"password|passwd|secret|token|api_?key|credential", re.IGNORECASE)


def is_secret(key: str) -> bool:
    """Say whether the value of a key is one to hide, by its name."""
    return _SECRET.search(key) is not None


def has_password(url: str) -> bool:
    """Say whether a URL carries a password."""
    return _PASSWORD.search(url) is not None


def mask_password(text: str) -> str:
    """Return `text` with the passwords of its URLs as ***."""
    return _PASSWORD.sub(r"\1\2***", text)
