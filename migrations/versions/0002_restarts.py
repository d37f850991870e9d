"""How often a training was begun again after it had diverged; what a source answered last."""

import sqlalchemy as sa
from alembic import op
from forecaster.migrations.scripts import run_script

from forecaster.ledger import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nothing is rebuilt: the tables hold every network ever trained.
    column = sa.Column("restarts", types.Whole(), nullable=False, server_default=sa.text("0"))
    op.add_column("model_version", column)
    op.add_column("instrument", sa.Column("answer", sa.Text(), nullable=True))
    run_script("views_0002.sql")
