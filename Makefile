# The one runner: people and CI call the same targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto

.PHONY: help run test check bench soak clean

help:
	@echo "make run    install into .venv and do the daily job once on the embedded prices"
	@echo "make test   the whole test suite"
	@echo "make check  formatting, lint, types, import floors"
	@echo "make bench  measure speed"
	@echo "make soak   the long tests: more kills, more examples"
	@echo "make clean  remove what the targets above made, the database and report included"

# Nothing from outside may leak in: no active environment, no PYTHONPATH.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-test: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(VENV)/installed $@

run: $(VENV)/installed
	$(BIN)/forecaster run

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n $(WORKERS)

check: $(VENV)/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy forecaster plugins
	$(BIN)/lint-imports

bench: $(VENV)/installed-test
	$(BIN)/python bench/bench.py

soak: $(VENV)/installed-test
	$(BIN)/python -m pytest -n $(WORKERS) -m soak

clean:
	rm -rf $(VENV) build dist *.egg-info forecaster.db* report
