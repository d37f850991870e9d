"""What every process of this program is set to, before it loads anything large."""

import gc

BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
"""Environment variables that say how many threads BLAS has: with more than one, numbers differ."""

SELDOM = (100_000, 20, 10)


def collect_seldom() -> None:
    """Look seldom for cycles of garbage: modules and a night's values live to the end anyway.

    By Python's own numbers the search takes a third of a night in which no model is trained.
    """
    gc.set_threshold(*SELDOM)
