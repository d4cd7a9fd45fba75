# One command to begin (make demo), one before a push (make check test).
# Nothing is assumed but Python 3.11 or newer with venv, and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.installed-tools
PEERS := $(VENV)/.installed-peers
TEST_WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-long check bench bench-city openapi pages migration format

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		(echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.11 ..."; exit 1)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing (once, under a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(TOOLS): $(STAMP)
	@echo "Installing the tools for tests and checks (once, under a minute) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(PEERS): $(TOOLS)
	@echo "Installing what the benchmarks measure beside (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	@touch $@

demo: $(STAMP)  ## set up and run the main job end to end on SQLite, no servers
	@$(BIN)/carbon-credit demo

serve: $(STAMP)  ## serve the API on http://127.0.0.1:8000 (docs at /docs)
	@$(BIN)/carbon-credit serve

test: $(TOOLS)  ## run the everyday tests
	@$(BIN)/pytest -n $(TEST_WORKERS) --dist worksteal

test-long: $(PEERS)  ## run what is slower
	@$(BIN)/pytest -n $(TEST_WORKERS) --dist worksteal -m long

check: $(TOOLS)  ## style, types, imports, tidiness, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pytest -q tests/test_tidy.py tests/api/test_openapi.py
	@$(BIN)/carbon-credit methodology lint

bench: $(PEERS)  ## measure, side by side in one run
	@$(BIN)/python -m bench

bench-city: $(PEERS)  ## the same at the size of a city: some hours, 40 GB of disk
	@$(BIN)/python -m bench --city

openapi: $(STAMP)  ## write openapi.yaml from the schemas
	@$(BIN)/carbon-credit openapi write

pages: $(STAMP)  ## write docs/methodologies/ from the library
	@$(BIN)/carbon-credit methodology pages

migration: $(STAMP)  ## start the next migration: make migration NAME=subject
	@$(BIN)/carbon-credit db new "$(NAME)"

format: $(TOOLS)  ## put the code in shape
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
