# One target for each habit. From a bare clone: Python 3.11, make, and the package registries are all that is needed.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.synced
export PYTHONPATH :=
# Python keeps what it compiled, whatever the shell says: each process that trains or scores would compile diffusers anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo ui test tests test-slow lint rules format types schemas docs pins doctor bench mutate web clean-demo

help: ## Show the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## Make .venv with the pinned packages and this project

$(STAMP): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $(STAMP)

demo: setup ## The whole way in minutes: synthetic music in, a scored LoRA out (data root: demo-data/)
	$(BIN)/lofi demo

ui: setup ## Dagster's webserver and daemon on loopback (data root: LOFI_DATA_ROOT, else data/)
	exec $(BIN)/lofi ui

doctor: setup ## What is installed, which weights are there, and what to do about each
	$(BIN)/lofi doctor

test: rules ## Lint, types and the test suite, some packages at a time
	$(MAKE) --no-print-directory --jobs=2 types tests

# Beside the types, which take a minute of one core
tests: setup ## The test suite alone
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

test-slow: setup ## The tests that take minutes or gigabytes each, and a search for new examples against each property
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'hypothesis and not slow' --hypothesis-profile=search

lint: rules types ## Formatting, lint, the contract between the packages, schemas, types

rules: setup ## Formatting, lint, the contract between the packages, schemas
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m lofi_pipeline.entities.schemas --check

format: setup ## Format and mend what can be mended by machine
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: setup ## Types alone
	$(BIN)/pyright

schemas: setup ## Generate config/schemas/*.json from the models
	$(BIN)/python -m lofi_pipeline.entities.schemas

docs: setup ## Write the pages that follow from the code, and take the pictures of the studio (needs chromium; runs the demo once)
	$(BIN)/python -m lofi_pipeline_tests.docs.generate
	$(BIN)/python -m lofi_pipeline_tests.docs.screenshots

bench: setup ## The ingest stage beside ffmpeg's loudnorm: CPU, memory, profile (needs ffmpeg; ARGS=--help says more)
	$(BIN)/python -m benchmarks.ingest $(ARGS)

mutate: setup ## Break what a commit changed, and name what no test noticed (ARGS=--promises: what the README promises; ARGS=--help)
	$(BIN)/python -m lofi_pipeline_tests.mutants.run $(ARGS)

pins: setup ## Compile requirements.txt from pyproject.toml
	$(BIN)/uv pip compile --quiet --generate-hashes --python-version 3.11 --extra dev --extra optimizers --extra trackers --extra postgres --extra kubernetes --extra dask --no-emit-index-url --no-header \
		pyproject.toml -o requirements.txt

web: setup ## Fetch the browser libraries of the studio and of its tests anew (needs npm)
	$(BIN)/python -m lofi_pipeline_tests.web.vendor

clean-demo: ## Remove the demo's data root
	rm -rf demo-data
