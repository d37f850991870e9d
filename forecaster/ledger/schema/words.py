"""The words and numbers that the tables are limited to."""

KINDS = ("live", "backfill", "backtest")
LEVELS = (0.80, 0.95)
HEADS = ("mean", "spread")
SPREADS = ("panel", "linear", "network", "ewma")
"""What a forecast's scale may be of."""
FINISHED = ("done", "fallback")
"""States of a series' night after which there is nothing left to do."""
ORIGINS = ("told", "inferred")
HELD = ("bar", "action", "answer")
RESOLUTIONS = ("accepted", "confirmed", "corrected")
STATES = ("pending", "running", "done", "degraded", "deferred", "failed", "interrupted", "missed")
"""Of a run."""
VERSIONS = ("accepted", "rejected")
"""Of a model: a rejected one is never used."""
