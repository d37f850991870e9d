"""`python -m forecaster` is the command line."""

from forecaster.cli import main

main()
