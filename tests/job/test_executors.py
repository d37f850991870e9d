"""Whoever trains, the numbers are the same: here, in other processes, by a Dask scheduler."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from forecaster.config import ModelSettings
from forecaster.errors import PluginError
from forecaster.hooks import Places, RunSummary, build_registry
from forecaster.job.task import Task, Trained, run_task, series_seed
from forecaster.masking import hide_environment
from forecaster.model import ACTIVATIONS, Motion

from .project import Project, walk, xnys

DAYS = xnys("2023-01-03", "2023-06-30")
REGISTRY = build_registry(only=["executors"])
MANY_THREADS = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "2"
)

BENT = """
    import numpy as np

    from forecaster import hookimpl
    from forecaster.model import Activation


    def value(z, out):
        np.tanh(z, out=out)
        np.multiply(out, 0.9, out=out)


    def slope(a, out):
        np.multiply(a, a, out=out)
        np.multiply(out, -1 / 0.9, out=out)
        np.add(out, 0.9, out=out)


    @hookimpl
    def forecaster_activations():
        return [Activation("bent", value, slope)]
"""


def executor(name: str, **options: Any) -> Any:
    """Return an executor."""
    return REGISTRY.executor(name)(options, Path())


class Cluster:
    """A Dask scheduler and workers, each a program of its own as somebody else would start them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder  # to work in: not where the project, and so its version, is found
        self._stack = stack
        self.processes: list[subprocess.Popen[str]] = []
        self._scheduler = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0",
            environ={}, wanted="Scheduler at:",
        )  # fmt: skip
        self.address = self._scheduler.rpartition(" ")[2].strip()

    def worker(self, *options: str, **environ: str) -> str:
        """Start a worker and return its address when the scheduler knows it."""
        return self._start(
            "worker", self.address, "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", *options,
            environ=environ, wanted="Registered to:",
        )  # fmt: skip

    def _start(self, *arguments: str, environ: dict[str, str], wanted: str) -> str:
        """Start a part of Dask, wait for a line of what it tells, and return that line."""
        process = self._stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                cwd=self._folder, env={**os.environ, **environ}, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        self._stack.callback(process.kill)
        self.processes.append(process)
        assert process.stderr
        told = []
        for line in process.stderr:
            told.append(line)
            if wanted in line:
                return line
        raise AssertionError("".join(told))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Return a scheduler with two workers that would use several threads if they were let."""
    with ExitStack() as stack:
        found = Cluster(tmp_path_factory.mktemp("cluster"), stack)
        for _ in range(2):
            found.worker("--nthreads", "2", **MANY_THREADS)
        yield found


def task(name: str, **settings: Any) -> Task:
    """Return the training of a series."""
    values = np.array(walk(260, seed=series_seed(name, 1)))
    chosen = ModelSettings(**{"epochs": 3, "hidden_size": 6, **settings})
    seed = series_seed(name, chosen.seed)
    return Task(name, values, Motion(), None, None, chosen, ACTIVATIONS["tanh"], seed)


TASKS = [
    task("A"),
    task("B", hidden_size=40, lookback=30, batch_size=128),
    task("C", dtype="float64", optimizer="sgd", learning_rate=0.01),
    task("D", inputs="minmax", loss_on="all"),
    task("E", validation=0.0, horizon=3),
]


def weights(made: Any, tasks: Sequence[Task]) -> dict[str, bytes]:
    """Train with an executor; return each series' parameters."""
    trained = list(made.map(run_task, tasks))
    assert [one.error for one in trained] == [None] * len(tasks)
    return {one.series: found.parameters for one, found in zip(tasks, trained, strict=True)}


@pytest.fixture(scope="module")
def alone() -> dict[str, bytes]:
    """Return the parameters of each series trained by itself in this process."""
    made = executor("serial")
    found = [weights(made, [one]) for one in TASKS]
    return {name: data for one in found for name, data in one.items()}


def test_weights_are_the_series_own(alone: dict[str, bytes]) -> None:
    """Each series has other weights, and other values give other ones: bits are compared."""
    assert len(set(alone.values())) == len(TASKS)
    changed = replace(TASKS[0], values=TASKS[0].values * np.linspace(1, 1 + 1e-6, 260))
    assert weights(executor("serial"), [changed])["A"] != alone["A"]


def test_weights_do_not_depend_on_company_or_order(alone: dict[str, bytes]) -> None:
    """Bit for bit the same beside others, in any order."""
    made = executor("serial")
    assert weights(made, TASKS) == alone
    assert weights(made, TASKS[::-1]) == alone


def test_weights_do_not_depend_on_when_a_pool_takes_over(
    alone: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit the same where the first is trained here and the others elsewhere."""
    module = sys.modules[REGISTRY.executor("local").__module__]
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    monkeypatch.setattr(module, "PATIENCE", 1e-9)
    made = executor("local")
    assert weights(made, TASKS) == alone
    made.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_weights_do_not_depend_on_processes(alone: dict[str, bytes], workers: int) -> None:
    """Bit for bit the same in one other process or in two."""
    made = executor("local", workers=workers)
    assert weights(made, TASKS) == alone
    assert weights(made, TASKS[3:0:-1]) == {one.series: alone[one.series] for one in TASKS[1:4]}
    made.close()


def test_weights_do_not_depend_on_dask(alone: dict[str, bytes], cluster: Cluster) -> None:
    """Bit for bit the same from the workers of a scheduler, whose BLAS would use more threads."""
    made = executor("dask", address=cluster.address)
    assert weights(made, TASKS) == alone
    assert weights(made, TASKS[::-1] * 3) == alone
    made.close()


def test_activation_of_a_folder_travels_by_name(project: Project, cluster: Cluster) -> None:
    """An activation of [plugins] dirs trains in a pool and on Dask as it does here."""
    project.plugin("bent", BENT)
    places = Places((project.folder / "plugins",), ("bent",))
    bent = build_registry(places.dirs, places.only).activation("bent")
    one = replace(TASKS[0], activation=bent, places=places)
    here = weights(executor("serial"), [one])
    assert here != weights(executor("serial"), TASKS[:1])
    for made in (executor("local", workers=1), executor("dask", address=cluster.address)):
        assert weights(made, [one]) == here
        made.close()


def test_trainings_that_begin_together_find_the_plugins(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may train on several threads: one that begins while plugins load waits for them."""
    project.plugin("bent", "import meeting\n\nmeeting.begin_another()\n" + dedent(BENT))
    places = Places((project.folder / "plugins",), ("bent",))
    named = replace(TASKS[0], activation="bent", places=places)
    others: list[Future[Trained]] = []
    with ThreadPoolExecutor(1) as thread:

        def begin_another() -> None:
            others.append(thread.submit(run_task, named))
            wait(others, timeout=0.2)  # seconds: it cannot be done before the plugin is loaded

        meeting = SimpleNamespace(begin_another=begin_another)
        monkeypatch.setitem(sys.modules, "meeting", meeting)
        found = [run_task(named), *(other.result() for other in others)]
    assert [one.error for one in found] == [None, None]
    assert found[0].parameters == found[1].parameters


def test_activation_that_a_worker_does_not_have(project: Project) -> None:
    """The training fails, saying on which host and what to do; others are trained."""
    project.plugin("bent", BENT)
    bent = build_registry([project.folder / "plugins"], ["bent"]).activation("bent")
    elsewhere = Places((project.folder / "nowhere",), ("bent",))
    made = executor("local", workers=1)
    tasks = [replace(TASKS[0], activation=bent, places=elsewhere), TASKS[1]]
    lost, trained = made.map(run_task, tasks)
    made.close()
    assert type(lost.error) is PluginError
    assert os.uname().nodename in lost.error.message
    assert "'bent'" in lost.error.message
    assert "make its plugin available there" in lost.error.remedy
    assert trained.parameters


def test_worker_of_another_version_is_refused(tmp_path: Path) -> None:
    """One line names the worker and both versions, before anything is trained."""
    other = tmp_path / "packages" / "forecaster-99.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: forecaster\nVersion: 99.0\n")
    with ExitStack() as stack:
        second = Cluster(tmp_path, stack)
        second.worker(PYTHONPATH=str(other.parent))
        made = executor("dask", address=second.address)
        with pytest.raises(PluginError, match=r"worker at tcp://\S+ has forecaster 99.0") as caught:
            list(made.map(run_task, TASKS))
        made.close()
    assert "\n" not in str(caught.value)
    assert caught.value.code == "other_version"


def test_a_scheduler_that_dies_is_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What came back before counts; the rest is an error and no hang, and nothing is logged."""
    with ExitStack() as stack:
        second = Cluster(tmp_path, stack)
        second.worker()
        made = executor("dask", address=second.address, timeout=2.0)
        outcomes = made.map(run_task, TASKS)
        assert next(outcomes).parameters
        second.processes[0].kill()
        with pytest.raises(PluginError, match="Dask scheduler was lost") as caught:
            list(outcomes)
        with pytest.raises(PluginError, match=f"answers at {second.address}"):
            list(made.map(run_task, TASKS))
        made.close()
    assert caught.value.code == "no_scheduler"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("workers", ["pool", "dask"])
def test_a_run_says_the_same_whoever_trains(
    project: Project, cluster: Cluster, workers: str
) -> None:
    """Every row of every table is what the run with the serial executor stores."""
    project.plugin("bent", BENT)
    for seed, symbol in enumerate("ABC"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    contents = []
    address = f'[executor]\nname = "dask"\n[plugins.dask]\naddress = "{cluster.address}"\n'
    chosen = {"pool": '[executor]\nname = "local"\n[plugins.local]\nworkers = 2\n', "dask": address}
    for settings in ('[executor]\nname = "serial"\n', chosen[workers]):
        schedule = "[schedule]\ninitial_backfill = 4\n[retrain]\nevery = 2\n"
        project.follow(*"ABC", settings=schedule + settings)
        text = (project.folder / "config.toml").read_text()
        project.configure(text.replace("[model]", '[model]\nactivation = "bent"'))
        summary = project.run()
        assert (summary.problems, summary.trained, summary.reused) == ((), 9, 6)
        contents.append(project.content())
        (project.folder / "forecaster.db").unlink()
    assert contents[0] == contents[1]
    assert len(contents[0]["forecast"]) == 3 * 5 * 3


CLOSING = """
    from forecaster import hookimpl

    class Careful:
        name = "careful"

        def __init__(self, options, folder):
            self.file = folder / "closed"

        def map(self, function, items):
            return map(function, items)

        def close(self):
            CLOSE

    @hookimpl
    def forecaster_executors():
        return [Careful]
"""


def careful(project: Project, close: str) -> None:
    """Follow a series with an executor that has to be closed."""
    project.plugin("careful", CLOSING.replace("CLOSE", close))
    project.quote("A", DAYS, walk(len(DAYS)))
    settings = '[schedule]\ninitial_backfill = 2\n[executor]\nname = "careful"\n'
    project.follow("A", settings=settings)


def test_an_executor_is_closed_once(project: Project) -> None:
    """When all nights are worked, an executor that has `close` is closed."""
    careful(project, "self.file.write_text(self.file.exists() and 'again' or 'once')")
    assert project.run().status == "done"
    assert (project.folder / "closed").read_text() == "once"


def test_an_executor_that_cannot_be_closed(project: Project) -> None:
    """It is named as a problem; what was forecast is stored."""
    careful(project, "raise OSError('stuck')")
    summary = project.run()
    assert summary.status == "degraded"
    (problem,) = summary.problems
    assert problem.startswith("executor careful: close raised OSError: stuck; report it")
    assert project.sql("SELECT count(*) FROM latest_forecast") == [(3,)]


def run_with_executor(project: Project, body: str) -> RunSummary:
    """Run three series with an executor whose `map` has this body."""
    project.plugin(
        "careful", CLOSING.replace("return map(function, items)", body).replace("CLOSE", "return")
    )
    for seed, symbol in enumerate("ABC"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    settings = '[schedule]\ninitial_backfill = 0\n[executor]\nname = "careful"\n'
    project.follow(*"ABC", settings=settings)
    return project.run()


def test_what_was_trained_before_an_executor_failed_is_kept(project: Project) -> None:
    """Series whose training came back are forecast; the others say what the executor did."""
    summary = run_with_executor(project, "yield function(items[0]); raise OSError('unplugged')")
    assert summary.status == "degraded"
    assert [one[:2] for one in summary.problems] == ["B:", "C:"]
    assert all("executor careful raised OSError: unplugged" in one for one in summary.problems)
    assert project.sql("SELECT DISTINCT series FROM latest_forecast") == [("A",)]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return reversed([function(item) for item in items])", "result 1 is of C and not of A"),
        ("return [None for item in items]", "result 1 is None and not of A"),
        ("yield function(items[1]); raise OSError('unplugged')", "result 1 is of B and not of A"),
        ("yield from map(function, [*items, items[0]])", "4 results for 3 tasks"),
        ("while True: yield function(items[0])", "result 2 is of A and not of B"),
    ],
)
def test_no_series_is_given_the_weights_of_another(project: Project, body: str, said: str) -> None:
    """Where results are not those of the tasks in their order, none is used and all say why."""
    summary = run_with_executor(project, body)
    assert summary.status == "failed"
    assert [one[:2] for one in summary.problems] == ["A:", "B:", "C:"]
    assert all(f"executor careful raised ValueError: {said}" in one for one in summary.problems)
    assert project.sql("SELECT count(*) FROM model_history") == [(0,)]


ENDING = BENT.replace(
    "    def value(z, out):\n",
    """    def value(z, out):
        if multiprocessing.parent_process() is not None and pathlib.Path("PLACE").exists():
            os.kill(os.getpid(), signal.SIGKILL)
""",
).replace("    import numpy", "    import multiprocessing, os, pathlib, signal\n    import numpy")


def test_a_training_that_ends_its_worker_costs_no_other_its_network(project: Project) -> None:
    """The others are trained without it; it waits, and is trained when nothing ends it."""
    ends = project.folder / "ends"
    project.plugin("bent", ENDING.replace("PLACE", str(ends)))
    for seed, symbol in enumerate("ABC"):
        project.quote(symbol, DAYS, walk(len(DAYS), seed))
    own = '[[series]]\nsource = "csv"\nsymbol = "B"\n[series.model]\nactivation = "bent"\n'
    pool = '[executor]\nname = "local"\n[plugins.local]\nworkers = 2\n'
    project.follow("A", "C", settings=f"[schedule]\ninitial_backfill = 0\n{pool}{own}")
    ends.touch()
    summary = project.run()
    assert summary.status == "degraded"
    (problem,) = summary.problems
    assert problem.startswith("B: 2023-06-30: a worker process of executor local ended")
    assert project.sql("SELECT DISTINCT series FROM latest_forecast ORDER BY 1") == [("A",), ("C",)]
    assert project.sql("SELECT status, reason_code FROM series_history WHERE series = 'B'") == [
        ("deferred", "worker_lost")
    ]
    ends.unlink()
    assert project.run().status == "done"
    assert len(project.sql("SELECT DISTINCT series FROM latest_forecast")) == 3


def test_an_executor_that_cannot_be_made_is_one_line(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named, and what it said of a secret is in no row of the ledger."""
    monkeypatch.setenv("CLUSTER_TOKEN", "sesame-open-now")
    hide_environment(os.environ)
    making = 'raise OSError("no access with sesame-open-now")'
    project.plugin("careful", CLOSING.replace('self.file = folder / "closed"', making))
    project.quote("A", DAYS, walk(len(DAYS)))
    project.follow("A", settings='[executor]\nname = "careful"\n')
    with pytest.raises(
        PluginError, match=r"executor careful raised OSError: no access with \*\*\*"
    ):
        project.run()
    rows = [str(row) for table in project.content().values() for row in table]
    assert not any("sesame" in row for row in rows)
