# One target for everything a developer types; continuous integration calls the same ones.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS ?= .ci/constraints.txt
DOCS_VENV ?= .venv-docs
DOCS_RUNS ?= runs/docs
HYPOTHESIS := HadronConeExclTruthLabelPt
FLOOR_VENV ?= .venv-floor
# the oldest Python that is here and that torch 2.0.1 has wheels for; `command -v` also finds shims that do not run
FLOOR_PYTHON ?= $(shell for name in python3.10 python3.11; do $$name --version >/dev/null 2>&1 && echo $$name && break; done)
export OMP_NUM_THREADS ?= 1

SALT_VENV ?= .venv-salt
export SERVING_VENV ?= .venv-serving
TRACKERS_VENV ?= .venv-trackers
INPUT ?= salt_like/samples/train.h5

.PHONY: help install quickstart test cpp-headers serving test-serving test-trackers test-slow lint types format docs docs-figures test-floor benchmarks clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/installed: pyproject.toml $(CONSTRAINTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) \
	  --only-binary pythia8mc,fastjet --editable '.[dev,simulate]'
	touch $@

install: $(VENV)/installed  ## make .venv with the package and what development needs

quickstart: $(VENV)/installed  ## train, test and show a small tagger on the shipped samples
	run=runs/quickstart/$$(date +%Y-%m-%d_%H-%M-%S) && \
	$(BIN)/train fit --config quickstart --run $$run && \
	$(BIN)/train test $$run && \
	if test -L runs/quickstart/last || test ! -e runs/quickstart/last; then ln -sfn $${run##*/} runs/quickstart/last; fi

# neighbouring tests share what they were made ready with: each process begins with a half of them
test: $(VENV)/installed  ## run the tests; fails below 90 % branch coverage
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not gpu" --cov --cov-report=term --cov-fail-under=90 $(PYTEST_OPTIONS)

cpp-headers: $(VENV)/installed  ## fetch the headers of onnxruntime; without them tests of C++ are skipped
	.ci/onnxruntime_headers.sh $(VENV)/include/onnxruntime

serving: $(SERVING_VENV)/installed  ## make the environment of a Triton server; without it tests of serving are skipped

$(SERVING_VENV)/installed: .ci/serving.txt .ci/serving_environment.sh | $(VENV)/installed
	.ci/serving_environment.sh $(BIN)/python $(SERVING_VENV)

test-serving: $(VENV)/installed serving  ## serve bundles from a real Triton server and ask it over HTTP and gRPC
	$(BIN)/python -m pytest -m serving tests/export/test_serving.py

test-trackers: $(TRACKERS_VENV)/installed  ## tell other trackers of a run, without a network
	$(TRACKERS_VENV)/bin/python -m pytest tests/tracking/test_loggers.py

# these want other versions of much than the constraints; those of what trains are kept
$(TRACKERS_VENV)/installed: pyproject.toml $(CONSTRAINTS)
	test -x $(TRACKERS_VENV)/bin/python || $(PYTHON) -m venv $(TRACKERS_VENV)
	grep -E '^(torch|lightning|pytorch|jsonargparse)' $(CONSTRAINTS) > $(TRACKERS_VENV)/constraints.txt
	$(TRACKERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --constraint $(TRACKERS_VENV)/constraints.txt --editable '.[trackers]' pytest pytest-timeout
	touch $@

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

docs: $(DOCS_VENV)/installed  ## build the documentation into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --quiet --strict

docs-figures: $(VENV)/installed  ## draw the figures of the documentation, from small runs trained for it
	samples=salt_like/samples && \
	{ test -e $(DOCS_RUNS)/flavour || $(BIN)/train fit --config quickstart --run $(DOCS_RUNS)/flavour; } && \
	{ test -e $(DOCS_RUNS)/energy || $(BIN)/train fit --config regression --data.train=$$samples/train.h5 \
	  --data.val=$$samples/val.h5 --data.test.ttbar=$$samples/test.h5 --data.batch_size=250 --run $(DOCS_RUNS)/energy; } && \
	for run in flavour energy; do $(BIN)/train test $(DOCS_RUNS)/$$run --figures=none || exit 1; done && \
	{ test -e $(DOCS_RUNS)/trees || $(BIN)/train baseline xgboost quickstart --run $(DOCS_RUNS)/trees; } && \
	$(BIN)/train test $(DOCS_RUNS)/trees --figures=none && \
	{ test -e $(DOCS_RUNS)/parameterised || $(BIN)/train fit --config parameterised --data.train=$$samples/train.h5 \
	  --data.val=$$samples/val.h5 --data.test.ttbar=$$samples/test.h5 --data.batch_size=100 --model.dim=32 \
	  --model.optimizer.lr=2e-3 --trainer.max_epochs=15 --run $(DOCS_RUNS)/parameterised; } && \
	$(BIN)/train test $(DOCS_RUNS)/parameterised --figures=none --extra jets=$(HYPOTHESIS) \
	  --parameter $(HYPOTHESIS)=10e3,15e3,20e3,30e3,40e3,50e3,70e3,100e3,150e3 && \
	{ test -e $(DOCS_RUNS)/part || $(BIN)/train fit --config part --data.train=$$samples/train.h5 \
	  --data.val=$$samples/val.h5 --data.batch_size=100 --trainer.max_epochs=10 --run $(DOCS_RUNS)/part; } && \
	{ test -e $(DOCS_RUNS)/maskformer || $(BIN)/train fit --config maskformer --data.train=$$samples/train.h5 \
	  --data.val=$$samples/val.h5 --data.test.ttbar=$$samples/test.h5 --data.batch_size=100 --model.dim=64 \
	  --model.encoder.layers=3 --model.encoder.heads=4 --model.optimizer.lr=2e-3 --trainer.max_epochs=14 \
	  --run $(DOCS_RUNS)/maskformer; } && \
	$(BIN)/train test $(DOCS_RUNS)/maskformer --figures=none --extra tracks=deta,dphi,ptfrac && \
	$(BIN)/python docs/make_figures.py \
	  $(addprefix $(DOCS_RUNS)/,flavour energy trees parameterised part maskformer)

$(DOCS_VENV)/installed: .ci/docs.txt
	test -x $(DOCS_VENV)/bin/python || $(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/docs.txt
	touch $@

# What old versions cannot do: torch 2.0 compiles no step, exports nothing, counts no FLOPs (`train inspect CONFIG`), has no
# exp() of float16 on a CPU, and its cross-entropy indexes with booleans; Lightning 2.3 resumes from the last batch of an
# epoch with one batch more.
FLOOR_SKIPS := compile or exported or inspect_config or code_runs or left_to_jsonargparse or \
  softmax_in_half or never_waits or resumed_run_sees or cut_short or \
  killed_in_the_middle or reader_that_has_gone

test-floor: $(FLOOR_VENV)/installed  ## run the tests with the lowest versions: Python 3.10, torch 2.0.1, numpy 1
	$(FLOOR_VENV)/bin/python -m pytest -m "not slow and not gpu" -k "not ($(FLOOR_SKIPS))" \
	  -o filterwarnings=default $(PYTEST_OPTIONS)

$(FLOOR_VENV)/installed: .ci/floor.txt pyproject.toml
	@test -n "$(FLOOR_PYTHON)" || { echo "make test-floor needs Python 3.10 or 3.11: give FLOOR_PYTHON=..."; exit 2; }
	test -x $(FLOOR_VENV)/bin/python || $(FLOOR_PYTHON) -m venv $(FLOOR_VENV)
	$(FLOOR_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement .ci/floor.txt --editable .
	touch $@

benchmarks: $(VENV)/installed  ## compare training speed with Salt on INPUT=FILE.h5; takes hours
	test -x $(SALT_VENV)/bin/python || benchmarks/salt_environment.sh $(SALT_VENV)
	$(BIN)/python benchmarks/against_salt.py --salt-python $(SALT_VENV)/bin/python --input $(INPUT) \
		--out docs/benchmarks/against_salt

clean:  ## remove what was built, not the runs
	rm -rf $(VENV) $(DOCS_VENV) $(FLOOR_VENV) $(SALT_VENV) $(SERVING_VENV) $(TRACKERS_VENV) build dist site htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache
