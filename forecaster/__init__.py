"""Forecasts for price series, every trading day, with a memory.

Importing this package loads nothing heavy: plugin authors need only `hookimpl`.
"""

from pluggy import HookimplMarker

__all__ = ["__version__", "hookimpl"]

__version__ = "0.1.0"

hookimpl = HookimplMarker("forecaster")
