"""The shape of a database: all there is to know of its tables, to be compared."""

import re
from typing import Any

from sqlalchemy import Connection

VIEWS = {
    "accuracy", "action_history", "alert_history", "backtest_accuracy", "backtest_result_history",
    "bar_history", "calibration", "current_tally", "decision_history", "forecast_history",
    "forecast_inputs", "forecast_parts", "forecast_revision", "gate_state", "latest_forecast",
    "model_history", "pull_history", "quarantine_history", "run_history", "series_history",
    "skill", "tracker_state",
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
            found[name] = ([tuple(row) for row in columns], constraints(sql))
        if kind == "index" and sql:
            found[name] = sql
    return found


def constraints(sql: str) -> set[str]:
    """Return the lines of a CREATE TABLE; what stands behind a column is a line of its own."""
    text = re.sub(r"\)\s*STRICT$", "", sql)
    text = re.sub(r"(\w+)( INTEGER) (CONSTRAINT \w+) REFERENCES",
                  r"\1\2,\n\3 FOREIGN KEY(\1) REFERENCES", text)  # fmt: skip
    text = re.sub(r"(\S) (CONSTRAINT)", r"\1,\n\2", text)
    parts = re.split(r",(?![^()]*\))\s*|\n", text)
    return {part.strip() for part in parts if part.strip()}


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
