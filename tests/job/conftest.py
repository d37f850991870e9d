from pathlib import Path

import pytest

from .project import FEED, Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return an empty project."""
    return Project(tmp_path)


@pytest.fixture
def feed(tmp_path: Path) -> Project:
    """Return a project with the source `feed`, whose prices do not end in the past."""
    project = Project(tmp_path)
    project.plugin("feed", FEED)
    return project
