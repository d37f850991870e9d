"""The workers of a Dask scheduler, somebody else's or one of this machine."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import Field, model_validator

from forecaster.errors import ConfigError, PluginError
from forecaster.hooks import Options, read_options

from .local import usable_cores
from .pool import spawning
from .threads import on_one_thread

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

DECISIVE = ("forecaster", "numpy")
"""Packages of which other versions may give other numbers."""


class DaskOptions(Options):
    """Options of [plugins.dask]."""

    address: str | None = Field(default=None, min_length=1)
    """An existing scheduler, such as tcp://10.0.0.1:8786; without it one is started on this
    machine, with workers of its own."""

    workers: int | None = Field(default=None, ge=1)
    """Processes on this machine where no address is given; the usable cores otherwise."""

    timeout: float = Field(default=10.0, gt=0)
    """Seconds to wait for the scheduler and for a first worker."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.address and self.workers:
            raise ValueError("workers is for this machine: remove it, or the address")
        return self


class DaskExecutor:
    """Hands each item to a Dask worker."""

    name: ClassVar[str] = "dask"

    def __init__(self, options: Mapping[str, Any], folder: Path) -> None:  # noqa: ARG002 - contract
        self._options = read_options(DaskOptions, options, f"plugins.{self.name}")
        if find_spec("distributed") is None:
            raise ConfigError(
                "executor dask needs the package dask[distributed], which is not installed",
                remedy="pip install 'forecaster[dask]'",
                code="not_installed",
            )
        self._open = ExitStack()
        self._client: Client | None = None
        self._refusal: PluginError | None = None

    def map(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> Iterator[Outcome]:
        """Yield `function(item)` for each item, in the order of the items."""
        if not items:
            return
        try:
            client = self._connected()
            refuse_other_versions(client)
            # Each is forgotten, here and by the scheduler, as soon as it is yielded.
            waiting = deque(
                client.submit(on_one_thread, function, item, pure=False) for item in items
            )
            while waiting:
                yield self._outcome(client, waiting.popleft())
        except PluginError:
            self.close()  # the next night connects anew
            raise

    def close(self) -> None:
        """Leave the scheduler, and end it if it was started here."""
        self._client = None
        self._open.close()

    def _connected(self) -> Client:
        """Return the connection, made once; a night after another need not wait for it in vain."""
        if self._refusal:
            raise self._refusal
        try:
            self._client = self._client or self._connect()
        except PluginError as error:
            self._refusal = error
            raise
        return self._client

    def _connect(self) -> Client:
        from distributed import Client  # noqa: PLC0415 - takes a second to import
        from distributed.utils import silence_logging_cmgr  # noqa: PLC0415

        # It logs, with tracebacks, what it raises as well.
        self._open.enter_context(silence_logging_cmgr(logging.CRITICAL))
        timeout = self._options.timeout
        address = self._options.address or self._start_cluster()
        try:
            client = Client(address, timeout=timeout, set_as_default=False)
        except (OSError, ValueError) as error:  # a timeout is an OSError
            raise PluginError(
                f"no Dask scheduler answers at {address}: {_said(error)}",
                remedy="start it (dask scheduler), or correct [plugins.dask] address",
                code="no_scheduler",
            ) from error
        self._open.enter_context(client)
        try:
            client.wait_for_workers(1, timeout=timeout)
        except TimeoutError as error:
            raise no_worker(address) from error
        return client

    def _start_cluster(self) -> str:
        """Start a scheduler with workers on this machine, and return its address."""
        from distributed import LocalCluster  # noqa: PLC0415

        with spawning():
            cluster = LocalCluster(
                n_workers=self._options.workers or usable_cores(),
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                silence_logs=logging.CRITICAL,
            )
        self._open.enter_context(cluster)
        return str(cluster.scheduler_address)

    def _outcome(self, client: Client, future: Future) -> Any:
        """Return a result, or say why there will be none."""
        from concurrent.futures import CancelledError  # noqa: PLC0415

        from distributed import KilledWorker  # noqa: PLC0415

        try:
            return self._wait(client, future)
        except KilledWorker as error:
            raise PluginError(
                "Dask workers ended in the middle of their work again and again: they were "
                "killed, or memory ran out",
                remedy="run again; if it recurs, start fewer workers or give them more memory",
                code="worker_lost",
            ) from error
        except (CancelledError, OSError) as error:
            if future.status == "error":  # what the work itself raised
                raise
            raise lost(error) from error

    def _wait(self, client: Client, future: Future) -> Any:
        """Wait for a result as long as there is somebody to work on it."""
        while True:
            try:
                return future.result(timeout=self._options.timeout)
            except TimeoutError:
                if future.done():
                    raise
                if not client.nthreads():
                    raise no_worker(client.scheduler.address) from None


def lost(error: BaseException) -> PluginError:
    """Return the failure of a connection that was there before."""
    return PluginError(
        f"the connection to the Dask scheduler was lost: {_said(error)}",
        remedy="see whether it is still running, then run again",
        code="no_scheduler",
    )


def no_worker(address: str) -> PluginError:
    """Return the failure of a scheduler that has nobody to do the work."""
    return PluginError(
        f"the Dask scheduler at {address} has no worker",
        remedy=f"start some: dask worker {address}",
        code="no_worker",
    )


def refuse_other_versions(client: Client) -> None:
    """Refuse a scheduler or a worker that could not read the work, or would give other numbers.

    Raises:
        PluginError: naming the first of them, and both versions.
    """
    try:
        found = client.get_versions(packages=["forecaster"])
    except OSError as error:
        raise lost(error) from error
    here = found["client"]["packages"]
    asked = {"scheduler": found["scheduler"]}
    asked |= {f"worker at {address}": each for address, each in found["workers"].items()}
    for who, each in asked.items():
        for package in DECISIVE:
            there = each["packages"].get(package)
            if there != here[package]:
                has = f"has {package} {there}" if there else f"has no {package}"
                raise PluginError(
                    f"the Dask {who} {has}, this program works with {here[package]}",
                    remedy="install the same version there and start it again",
                    code="other_version",
                )


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
