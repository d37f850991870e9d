"""Views and triggers are SQL: scripts that stand beside the migrations."""

import importlib.resources

import sqlalchemy as sa
from alembic import op


def run_script(name: str) -> None:
    """Execute a script whose statements each end at a line that holds only a semicolon."""
    text = importlib.resources.files("forecaster.migrations").joinpath(name).read_text()
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    for statement in f"{code}\n".split("\n;\n"):
        if statement.strip():
            op.execute(sa.text(statement))
