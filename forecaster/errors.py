"""The failures people see: one line that says what, why, and what to do next."""

from typing import ClassVar

from forecaster.masking import mask


class ForecasterError(Exception):
    """A foreseeable failure.

    Args:
        message: what happened and why, on one line.
        remedy: what to do next; shown after a semicolon.
        code: a stable word for the reason, stored in the ledger; the class has a default.
    """

    exit_code: ClassVar[int] = 1
    default_code: ClassVar[str] = "failed"

    def __init__(self, message: str, *, remedy: str = "", code: str = "") -> None:
        self.message = _one_line(message)
        super().__init__(self.message)  # the one argument: what unpickling calls it with
        self.remedy = _one_line(remedy)
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


def _one_line(text: str) -> str:
    """Return text for any terminal and database: on one line, no hidden signs, no secrets."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in mask(text)).split())


class ConfigError(ForecasterError):
    """The command line or the configuration is wrong."""

    exit_code = 2
    default_code = "config"


class SourceError(ForecasterError):
    """A source could not answer.

    Args:
        message: as of every failure.
        remedy: likewise.
        code: network, provider_down, rate_limited, unknown_symbol, no_session, bad_response,
            unsettled or incomplete, where one of these says it.
        retry_after: seconds for which the source wants to be left alone, if it said so.
    """

    default_code = "source"

    def __init__(
        self, message: str, *, remedy: str = "", code: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, remedy=remedy, code=code)
        # Whoever raises it may pass on what a header says: text.
        self.retry_after = None if retry_after is None else float(retry_after)


class DataError(ForecasterError):
    """Prices that cannot be used: too few, broken, or of the wrong kind."""

    default_code = "data"


class TrainingError(ForecasterError):
    """A network could not be fitted."""

    default_code = "training"


class PluginError(ForecasterError):
    """A plugin is missing, broken, or claims a name that another one has."""

    default_code = "plugin"


class LedgerError(ForecasterError):
    """The database is missing, of another schema, or cannot be read or written."""

    default_code = "ledger"
