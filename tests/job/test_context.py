"""What numbers depend on besides the program: the kind of machine."""

import json
import sys
from collections.abc import Iterator

import pytest

from forecaster.job import context


@pytest.fixture(autouse=True)
def _looked_for_anew() -> Iterator[None]:
    context._kernel.cache_clear()
    yield
    context._kernel.cache_clear()


def test_the_kernel_of_the_blas_is_named() -> None:
    """Two machines with the same NumPy and different processors are of different kinds."""
    facts = json.loads(context.environment())
    assert list(facts) == ["blas", "kernel", "machine", "numpy", "python"]
    assert facts["kernel"] != "unknown"


def test_the_kernel_is_that_of_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """SciPy may load a BLAS of its own beside NumPy's; what is no BLAS does not count."""
    found = [
        {"user_api": "openmp", "filepath": "/lib/numpy/libgomp.so"},
        {"user_api": "blas", "filepath": "/a/scipy.libs/x.so", "architecture": "SkylakeX"},
        {"user_api": "blas", "filepath": "/b/numpy.libs/x.so", "architecture": "Zen"},
    ]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: found)
    assert context._kernel() == "Zen"


@pytest.mark.parametrize("found", [[], [{"user_api": "blas", "filepath": "numpy/mkl.so"}]])
def test_a_blas_that_does_not_say_is_unknown(
    monkeypatch: pytest.MonkeyPatch, found: list[dict[str, str]]
) -> None:
    """MKL and Accelerate name no architecture, and NumPy may have no BLAS at all."""
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: found)
    assert context._kernel() == "unknown"


def test_without_threadpoolctl_the_kernel_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fails for the want of it."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    assert json.loads(context.environment())["kernel"] == "unknown"
