"""The daily job: its stages, the run that strings them together, backfill and backtest.

`run.py` reads top to bottom like the sentence that describes the program.
"""
