"""The executors of the program: order, errors, threads, and that no process outlives its owner."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forecaster.errors import ConfigError, PluginError
from forecaster.hooks import build_registry

HERE = Path(__file__).parent
REGISTRY = build_registry(only=["executors"])
BLAS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


@pytest.fixture(autouse=True)
def workers_find_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process, and the workers it spawns, import `for_workers`."""
    monkeypatch.syspath_prepend(HERE)


def executor(name: str, **options: Any) -> Any:
    """Return an executor."""
    return REGISTRY.executor(name)(options, HERE)


@pytest.fixture
def pool() -> Iterator[Any]:
    """Return an executor with two worker processes."""
    made = executor("local", workers=2)
    yield made
    made.close()


def ended(pid: int, seconds: float = 10.0) -> bool:
    """Wait for a process to end; say whether it did."""
    try:
        file = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([file], [], [], seconds)[0])
    finally:
        os.close(file)


def test_results_come_in_the_order_of_the_items(pool: Any) -> None:
    """Whichever worker is done first, results have the order of the items; so again."""
    import for_workers

    assert list(pool.map(for_workers.same, range(40))) == list(range(40))
    assert list(pool.map(for_workers.same, [])) == []
    assert list(pool.map(for_workers.same, [3, 1, 2])) == [3, 1, 2]


def test_workers_are_other_processes_that_end_with_the_executor() -> None:
    """Nothing is done in this process, the same workers do all, and closing ends them."""
    import for_workers

    made = executor("local", workers=2)
    found = {*made.map(for_workers.process, range(20)), *made.map(for_workers.process, range(20))}
    assert os.getpid() not in found
    assert 1 <= len(found) <= 2
    made.close()
    assert all(ended(pid) for pid in found)
    made.close()


@pytest.mark.parametrize("before", ["2", None])
def test_workers_have_one_blas_thread(
    pool: Any, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    """Whatever the environment of this process says, which stays as it is."""
    import for_workers

    for name in BLAS:
        monkeypatch.delenv(name, raising=False)
        if before:
            monkeypatch.setenv(name, before)
    found = list(pool.map(for_workers.threads, range(4)))
    assert all(found)
    assert {count for counts in found for count in counts} == {1}
    assert {os.environ.get(name) for name in BLAS} == {before}


def test_more_threads_would_be_noticed() -> None:
    """The count of threads sees those of a process that was told nothing else."""
    script = "import for_workers; print(for_workers.threads(0))"
    environ = {**os.environ, **dict.fromkeys(BLAS, "2"), "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert "2" in done.stdout


def test_short_work_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a number of workers, the work is begun here; others come when it gets long."""
    import for_workers

    module = sys.modules[REGISTRY.executor("local").__module__]
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    made = executor("local")
    assert {*made.map(for_workers.process, range(9))} == {os.getpid()}
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    assert {*made.map(for_workers.process, [1])} == {os.getpid()}  # nobody to share it with
    assert os.getpid() not in {*made.map(for_workers.process, range(9))}
    made.close()


def test_one_core_needs_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one core, all is done here however long it takes."""
    import for_workers

    module = sys.modules[REGISTRY.executor("local").__module__]
    monkeypatch.setattr(module, "usable_cores", lambda: 1)
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    assert {*executor("local").map(for_workers.process, range(9))} == {os.getpid()}


def test_a_killed_worker_is_an_error_and_no_hang(pool: Any) -> None:
    """The work ends with an error that says what to do; the next finds new workers."""
    import for_workers

    with pytest.raises(PluginError, match=r"was killed, or memory ran out; .*fewer") as caught:
        list(pool.map(for_workers.die_of_2, range(8)))
    assert caught.value.code == "worker_lost"
    assert list(pool.map(for_workers.die_of_2, [5, 6])) == [5, 6]


def test_what_the_work_raises_comes_through(pool: Any) -> None:
    """An exception of the function is raised in its place in the order."""
    import for_workers

    outcomes = pool.map(for_workers.fail_at_2, [1, 2, 3])
    assert next(outcomes) == 1
    with pytest.raises(TimeoutError, match="too much"):
        next(outcomes)


@pytest.fixture
def owner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Start a program with two workers, in the state that the test asks for."""
    for name in "ab":
        os.mkfifo(tmp_path / name)
    process = subprocess.Popen(
        [sys.executable, HERE / "pool_owner.py", tmp_path, request.param],
        env={**os.environ, **dict.fromkeys(BLAS, "2")}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        yield process
        process.kill()


def workers_of(folder: Path) -> list[int]:
    """Wait until both workers are there; return their process ids."""
    return [int((folder / name).read_text()) for name in "ab"]


@pytest.mark.parametrize("owner", ["busy", "idle"], indirect=True)
def test_workers_die_with_their_owner(owner: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """SIGKILL, which nobody can answer, leaves no worker behind; each had one thread."""
    pids = workers_of(tmp_path)
    owner.kill()
    assert all(ended(pid) for pid in pids)
    told, complaints = owner.communicate(timeout=10)
    assert told.strip("[]\n").replace("], [", ", ").split(", ") == ["1", "1"]
    assert "Traceback" not in complaints


@pytest.mark.parametrize("owner", ["busy", "idle", "starting"], indirect=True)
def test_ctrl_c_ends_the_workers_without_a_word(
    owner: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    """Ctrl-C goes to all processes of the terminal: the owner closes the pool, no worker talks."""
    pids = workers_of(tmp_path)
    os.killpg(owner.pid, signal.SIGINT)
    told, complaints = owner.communicate(timeout=10)
    assert told.endswith("closed\n")
    assert complaints == ""
    assert all(ended(pid) for pid in pids)


def test_dask_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'forecaster\[dask\]'"):
        executor("dask")


def test_dask_is_imported_when_it_works() -> None:
    """Neither listing the plugins nor making the executor loads Dask."""
    script = (
        "import sys; from pathlib import Path; from forecaster.hooks import build_registry; "
        "registry = build_registry(); registry.plugins(); "
        "registry.executor('dask')({}, Path()); registry.executor('local')({}, Path()); "
        "print({'dask', 'distributed', 'threadpoolctl', 'concurrent.futures.process'} "
        "& set(sys.modules))"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_an_address_needs_no_workers() -> None:
    """The workers of somebody else's scheduler are not ours to count."""
    with pytest.raises(ConfigError, match=r"\[plugins.dask\].*remove it, or the address"):
        executor("dask", address="tcp://127.0.0.1:8786", workers=2)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{port}", "nonsense://"])
def test_no_scheduler_is_one_line_and_asked_once(address: str) -> None:
    """Where nobody answers, the error names the address; the next night does not wait again."""
    import for_workers

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = address.format(port=unused.getsockname()[1])
        made = executor("dask", address=address, timeout=0.3)
        with pytest.raises(PluginError, match=f"no Dask scheduler answers at {address}") as caught:
            list(made.map(for_workers.same, [1]))
    assert "\n" not in str(caught.value)
    with pytest.raises(PluginError) as again:
        list(made.map(for_workers.same, [1]))
    assert again.value is caught.value
    made.close()


def test_a_scheduler_without_workers() -> None:
    """Work that nobody would ever do is refused."""
    import for_workers
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=0, processes=False, dashboard_address=None, protocol="tcp"
    ) as empty:
        made = executor("dask", address=empty.scheduler_address, timeout=0.2)
        with pytest.raises(PluginError, match=r"has no worker; start some: dask worker tcp"):
            list(made.map(for_workers.same, [1]))
        made.close()


def test_a_cluster_of_this_machine() -> None:
    """Started with the first work: order, one thread each, errors, a worker that is killed."""
    import dask
    import for_workers

    made = executor("dask", workers=2)
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        assert list(made.map(for_workers.same, range(40))) == list(range(40))
        counts = list(made.map(for_workers.threads, range(8)))
        assert {count for each in counts for count in each} == {1}
        with pytest.raises(TimeoutError, match="too much"):
            list(made.map(for_workers.fail_at_2, [1, 2, 3]))
        with pytest.raises(PluginError, match="killed, or memory ran out") as caught:
            list(made.map(for_workers.die_of_2, [1, 2]))
        assert caught.value.code == "worker_lost"
        pids = {*made.map(for_workers.process, range(20))}
    made.close()
    assert all(ended(pid) for pid in pids)
