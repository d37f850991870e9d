from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes config.toml and returns its path."""

    def write_text(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return write_text
