# One target for everything a developer types; continuous integration calls the same ones.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= .ci/constraints.txt
export OMP_NUM_THREADS ?= 1

.PHONY: help install quickstart test test-slow lint types format docs test-floor benchmarks clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/installed: pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[dev]'
	touch $@

install: $(VENV)/installed  ## make .venv with the package and what development needs

quickstart: $(VENV)/installed  ## train, test and show a small tagger on the shipped samples
	@rm -rf runs/quickstart/last
	$(BIN)/train fit --config quickstart --run runs/quickstart/last
	$(BIN)/train test runs/quickstart/last

test: $(VENV)/installed  ## run the tests; fails below 90 % branch coverage
	$(BIN)/python -m pytest -n 2 -m "not slow and not gpu" --cov --cov-report=term --cov-fail-under=90

test-slow: $(VENV)/installed  ## run the tests that take minutes
	$(BIN)/python -m pytest -n 2 -m "slow and not gpu"

lint: $(VENV)/installed  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed  ## check types
	$(BIN)/mypy

format: $(VENV)/installed  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## remove what was built, not the runs
	rm -rf $(VENV) build dist site htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache
