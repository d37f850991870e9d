"""The shape of a database: all there is to know of its tables, to be compared."""

import re
from typing import Any

from sqlalchemy import Connection

VIEWS = {
    "accuracy", "action_history", "alert_history", "backtest_accuracy", "bar_history",
    "calibration", "current_tally", "decision_history", "forecast_history", "forecast_inputs",
    "forecast_revision", "latest_forecast", "model_history", "pull_history",
    "quarantine_history", "run_history", "series_history",
}  # fmt: skip


def shape(connection: Connection) -> dict[str, Any]:
    """Return all there is to know of the tables, in words of the database itself."""
    if connection.dialect.name == "sqlite":
        return sqlite_shape(connection)
    return postgresql_shape(connection)


def sqlite_shape(connection: Connection) -> dict[str, Any]:
    """Return columns in order, the parts of each CREATE TABLE, and the indexes."""
    found: dict[str, Any] = {}
    rows = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master").fetchall()
    for kind, name, sql in rows:
        if kind == "table" and name != "alembic_version":
            columns = connection.exec_driver_sql(f"PRAGMA table_xinfo({name})").fetchall()
            # A column added later stands at the end of the text, after the constraints.
            parts = re.split(r"[,\n]", re.sub(r"\)\s*STRICT$", "", sql))
            found[name] = ([tuple(row) for row in columns], {part.strip() for part in parts})
        if kind == "index" and sql:
            found[name] = sql
    return found


def postgresql_shape(connection: Connection) -> dict[str, Any]:
    """Return columns in order, constraints and indexes from the catalogue."""
    queries = {
        "columns": "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, "
        "column_default FROM information_schema.columns WHERE table_schema = 'public'",
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes "
        "WHERE schemaname = 'public'",
    }
    return {
        name: {
            tuple(row)
            for row in connection.exec_driver_sql(query)
            if row[0] not in VIEWS | {"alembic_version"}
        }
        for name, query in queries.items()
    }
