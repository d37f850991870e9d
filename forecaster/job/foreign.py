"""What foreign code raised, as a person may see it; -v logs where."""

import logging

from forecaster.errors import ForecasterError, PluginError
from forecaster.hooks import Executor

LOG = logging.getLogger(__name__)


def foreign(who: str, error: BaseException) -> ForecasterError:
    """Return the failure of a plugin that raised; the program's own errors pass through."""
    if isinstance(error, ForecasterError):
        return error
    LOG.debug("%s raised:", who, exc_info=error)
    return PluginError(
        f"{who} raised {type(error).__name__}: {error}",
        remedy="report it to the plugin's author; -v shows where",
        code="plugin_raised",
    )


def foreseen(error: BaseException) -> ForecasterError:
    """Return the failure of a stage, in which plugins of several kinds may have had a part."""
    if isinstance(error, ForecasterError):
        return error
    LOG.debug("unforeseen failure:", exc_info=error)
    return ForecasterError(
        f"unforeseen {type(error).__name__}: {error}",
        remedy="-v shows where; if no plugin of yours is there, please report it",
        code="unforeseen",
    )


def closed(executor: Executor) -> ForecasterError | None:
    """Close an executor, if that is something it can do; return what went wrong."""
    close = getattr(executor, "close", None)
    try:
        if close is not None:
            close()
    except (Exception, SystemExit) as error:  # noqa: BLE001  a foreign plugin may raise anything
        return foreign("close", error)
    return None
