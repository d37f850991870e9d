"""Shared by every test: one BLAS thread, so that numbers repeat bit for bit."""

import os
from collections.abc import Iterator

import pytest

from forecaster import masking

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ[name] = "1"


@pytest.fixture(autouse=True)
def _no_secrets() -> Iterator[None]:
    """What one test keeps secret, another may say."""
    yield
    masking.forget()
