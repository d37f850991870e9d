"""How the training of many series is run: here, on every core, or by a Dask scheduler."""

from forecaster import hookimpl
from forecaster.hooks import Executor

from .cluster import DaskExecutor
from .local import LocalExecutor
from .serial import SerialExecutor


@hookimpl
def forecaster_executors() -> list[type[Executor]]:
    """Provide `serial`, `local` and `dask`."""
    return [SerialExecutor, LocalExecutor, DaskExecutor]
