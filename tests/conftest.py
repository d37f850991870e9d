"""Shared by every test: one BLAS thread, so that numbers repeat bit for bit; and a canary.

The canary is a password in the environment of every test and of every process that it starts: it
must be in nothing that any of them prints, logs, or leaves in a file of its folder.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecaster import masking

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ[name] = "1"


CANARY = "yellow-bird-in-the-mine"
os.environ["CANARY_PASSWORD"] = CANARY


@pytest.fixture(autouse=True)
def _no_secrets(request: pytest.FixtureRequest) -> Iterator[None]:
    """What one test keeps secret, another may say; what it leaves in its folder, has no canary."""
    yield
    masking.forget()
    folder = request.node.funcargs.get("tmp_path")
    if folder is not None:
        assert [path for path in files(folder) if CANARY.encode() in path.read_bytes()] == []


def files(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder that are not large."""
    for path in folder.rglob("*"):
        regular = path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)
        if regular and path.stat().st_size < 20_000_000:
            yield path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Fail a test in whose output the canary is."""
    report = yield
    for name, text in report.sections:
        if CANARY in text:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: the canary is in its {name}"
    return report
