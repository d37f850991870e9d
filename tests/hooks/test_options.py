"""How a plugin reads the options of its table."""

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from forecaster.errors import ConfigError
from forecaster.hooks import Options, read_options


class Mail(Options):
    to: str
    port: int = Field(default=25, ge=1)
    style: Literal["short", "long"] = "short"
    token: str = Field(default="", max_length=3)


def test_options_become_a_model() -> None:
    """Good options are read into the plugin's own model, with its defaults."""
    assert read_options(Mail, {"to": "me"}, "reporters.mail") == Mail(to="me", port=25)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "[reporters.mail] to is missing; add to to the table"),
        ({"to": "me", "prt": 1}, "[reporters.mail] prt is not a known key; did you mean port?"),
        ({"to": "me", "port": 0}, "[reporters.mail] port = 0: must be at least 1"),
        ({"to": "me", "port": "1"}, "[reporters.mail] port = '1': must be a whole number"),
        ({"to": "me", "style": "x"}, "[reporters.mail] style = 'x': must be 'short' or 'long'"),
        ({"to": 3, "port": 0}, "[reporters.mail] to = 3: must be a string in quotes (and 1 more)"),
    ],
)
def test_a_bad_option_names_table_key_and_what_is_allowed(
    options: dict[str, object], expected: str
) -> None:
    """An unknown or bad option is one line that says what would be right."""
    with pytest.raises(ConfigError) as caught:
        read_options(Mail, options, "reporters.mail")
    assert str(caught.value) == expected


def test_the_value_of_a_secret_is_not_repeated() -> None:
    """A bad token is told without the token."""
    with pytest.raises(ConfigError, match=r"token = \*\*\*: must be") as caught:
        read_options(Mail, {"to": "me", "token": "canary"}, "reporters.mail")
    assert "canary" not in str(caught.value)


def test_unknown_options_are_refused_whatever_the_model_says() -> None:
    """A model that would ignore unknown keys does not hide a misspelt one."""

    class Lenient(BaseModel):
        folder: str = "."

    with pytest.raises(ConfigError, match=r"\[plugins.x\] foldr is not a known key; did you mean"):
        read_options(Lenient, {"foldr": "y"}, "plugins.x")
