"""What Prometheus reads: counts, times and figures; few time series, however many are forecast."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from forecaster.ledger import Ledger
from forecaster.ledger.pulse import read_pulse
from forecaster.ledger.schema import STATES
from forecaster.ledger.vitals import (
    count_bars,
    forecasts_since,
    last_done,
    pooled_accuracy,
    requests_since,
    runs_by_state,
)
from forecaster.logs import told

if TYPE_CHECKING:
    from prometheus_client import Metric

RECOUNT = 600.0
"""Seconds for which the number of bars is believed: it takes a second to count ten million."""


class StageSeconds(logging.Handler):
    """Sums the seconds of each stage, from this process's lines and those it passes on."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: dict[str, float] = defaultdict(float)

    def emit(self, record: logging.LogRecord) -> None:
        """Add the seconds of a line that ends a stage."""
        line = told(record)
        name, seconds = line.get("stage"), line.get("seconds")
        if isinstance(name, str) and isinstance(seconds, int | float) and seconds >= 0:
            self._sums[name] += seconds

    def sums(self) -> dict[str, float]:
        """Return the seconds of each stage so far."""
        self.acquire()
        try:
            return dict(self._sums)
        finally:
            self.release()


class Figures:
    """A collector of prometheus_client.

    Args:
        ledger: open; each scrape reads it in short transactions of its own.
        stages: the seconds of each stage.
        overdue: counts the sessions that are.
        clock: what time it is.
    """

    def __init__(
        self,
        ledger: Ledger,
        stages: StageSeconds,
        overdue: Callable[[], int],
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger, self._stages, self._overdue, self._clock = ledger, stages, overdue, clock
        self._forecasts: tuple[int, dict[str, int]] = (0, {})
        self._requests: tuple[int, dict[str, tuple[int, int]]] = (0, {})
        self._bars: tuple[float, int] | None = None

    def collect(self) -> Iterator["Metric"]:
        """Yield every metric, read now."""
        yield _gauge("forecaster_runs", "Nights by state.", "state", self._runs())
        seconds = self._stages.sums().items()
        yield _counter("forecaster_stage_seconds", "Time spent in each stage.", "stage", seconds)
        yield _gauge(
            "forecaster_bars", "Bars stored, revisions included.", "", [("", self._count_bars())]
        )
        yield _gauge("forecaster_forecasts", "Forecasts stored.", "kind", self._count_forecasts())
        yield from self._accuracy()
        yield from self._count_requests()
        yield from self._times()

    def _runs(self) -> Iterable[tuple[str, float]]:
        return (dict.fromkeys(STATES, 0) | runs_by_state(self._ledger)).items()

    def _count_bars(self) -> int:
        now = time.monotonic()
        if self._bars is None or now - self._bars[0] > RECOUNT:
            self._bars = (now, count_bars(self._ledger))
        return self._bars[1]

    def _count_forecasts(self) -> Iterable[tuple[str, float]]:
        last, known = self._forecasts
        last, new = forecasts_since(self._ledger, last)
        sums = {kind: known.get(kind, 0) + new.get(kind, 0) for kind in known | new}
        self._forecasts = (last, sums)
        return sums.items()

    def _count_requests(self) -> Iterator["Metric"]:
        last, known = self._requests
        last, new = requests_since(self._ledger, last)
        sums = dict(known)
        for source, (sent, refused) in new.items():
            before = sums.get(source, (0, 0))
            sums[source] = (before[0] + sent, before[1] + refused)
        self._requests = (last, sums)
        for place, name, text in (
            (0, "forecaster_requests", "Requests sent to sources."),
            (1, "forecaster_requests_refused", "Requests that a source answered with a refusal."),
        ):
            found = ((source, counts[place]) for source, counts in sums.items())
            yield _counter(name, text, "source", found)

    def _accuracy(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  optional

        found = pooled_accuracy(self._ledger)
        text = "1 - error / baseline error of live forecasts, a mean over the series."
        skill = [(str(one.horizon), one.skill) for one in found if one.skill is not None]
        yield _gauge("forecaster_skill", text, "horizon", skill)
        text = "Share of live outcomes that fell inside the interval."
        coverage = GaugeMetricFamily("forecaster_coverage", text, labels=("horizon", "level"))
        for one in found:
            coverage.add_metric((str(one.horizon), "0.80"), one.coverage80)
            coverage.add_metric((str(one.horizon), "0.95"), one.coverage95)
        yield coverage
        outcomes = [(str(one.horizon), one.n) for one in found]
        yield _gauge("forecaster_outcomes", "Live forecasts scored.", "horizon", outcomes)

    def _times(self) -> Iterator["Metric"]:
        now, pulse = self._clock(), read_pulse(self._ledger)
        name, text = "forecaster_last_tick_timestamp_seconds", "When the schedule was looked at."
        tick = [("", pulse.ticked_at.timestamp())] if pulse else []
        yield _gauge(name, text, "", tick)
        text = "Sessions that should have been worked."
        yield _gauge("forecaster_overdue_sessions", text, "", [("", self._overdue())])
        name, text = "forecaster_last_success_age_seconds", "Since a calendar's newest success."
        done = last_done(self._ledger).items()
        ages = [
            (calendar, (now - one.finished_at).total_seconds())
            for calendar, one in done
            if one.finished_at
        ]
        yield _gauge(name, text, "calendar", ages)


def _gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415  optional

    return _filled(GaugeMetricFamily(name, text, labels=_labels(label)), label, values)


def _counter(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415  optional

    return _filled(CounterMetricFamily(name, text, labels=_labels(label)), label, values)


def _labels(label: str) -> tuple[str, ...]:
    return (label,) if label else ()


def _filled(family: Any, label: str, values: Iterable[tuple[str, float]]) -> "Metric":
    for each, value in values:
        family.add_metric((each,) if label else (), value)
    return family  # type: ignore[no-any-return]  # what the library adds to has no common type


def exposition(figures: Figures) -> Callable[[], tuple[bytes, str]] | None:
    """Return what gives all metrics, as Prometheus reads them, with their content type.

    None without prometheus-client.
    """
    try:
        from prometheus_client import (  # noqa: PLC0415  optional
            CONTENT_TYPE_LATEST,
            CollectorRegistry,
            generate_latest,
        )
    except ImportError:
        return None
    registry = CollectorRegistry()
    registry.register(figures)
    return lambda: (generate_latest(registry), CONTENT_TYPE_LATEST)
