# One command each. Everything below prepares its environment by itself; `make` alone lists the targets.
SHELL      := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS  += --no-print-directory
.DEFAULT_GOAL := help

PYTHON  ?= python3
DESTDIR ?=
VENV    := .venv
PY      := $(VENV)/bin/python
CODE    := agent drivers hil_tests
ALL     := $(CODE) tests
ARGS    ?=

.PHONY: help venv broker run test lint typecheck floors unit e2e conformance bench mutation fuzz docs diagram messages uplink meters install uninstall clean lock

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## virtual environment in .venv, from requirements.lock
	@PYTHON="$(PYTHON)" scripts/prepare venv

broker:
	@scripts/prepare broker

run: venv broker ## one whole charge on the simulated bench, live in the terminal (ARGS="--plain --lang zh")
	@$(PY) -m hil_tests.demo $(ARGS)

test: lint typecheck floors broker ## everything that must be green: style, types, floors, all tests with branch coverage
	@echo "== tests on the whole pile, short form"
	@$(PY) -m pytest tests/e2e -n 2
	@echo "== other tests with the simulated bench, one at a time"
	@$(PY) -m pytest --ignore tests/e2e -m bench --cov --cov-branch --cov-report=
	@echo "== tests"
	@$(PY) -m pytest --ignore tests/e2e -m "not bench" -n 2 --cov --cov-branch --cov-append --cov-report=term:skip-covered $(ARGS)
	@echo "== coverage of each room against its gate"
	@$(PY) scripts/coverage_gate.py

lint: venv ## ruff: rules and format
	@echo "== ruff check"
	@$(PY) -m ruff check .
	@echo "== ruff format --check"
	@$(PY) -m ruff format --check .

typecheck: venv ## mypy --strict
	@echo "== mypy --strict"
	@$(PY) -m mypy --strict $(ALL)

floors: venv ## import-linter: who may import whom
	@echo "== lint-imports"
	@$(VENV)/bin/lint-imports

unit: venv ## the tests that need no bench
	@$(PY) -m pytest -m "not bench" $(ARGS)

e2e: venv broker ## the tests on the whole pile, every phase with every wire
	@PILE_E2E=full $(PY) -m pytest tests/e2e -n 2 $(ARGS)

conformance: venv broker ## every charger case of GB/T 34658-2017 with its verdict, under half an hour (ARGS="--only DN.2007", "--list")
	@$(PY) -m hil_tests.conformance $(ARGS)

bench: venv broker ## the figures: reaction time, start time, memory, processor share
	@$(PY) -m hil_tests.performance $(ARGS)

mutation: venv ## change the safety parts in one place at a time; the tests must notice (an hour or more)
	@$(PY) tests/mutation/mutation_run.py $(ARGS)

fuzz: venv ## look for frames that break the vehicle protocol (5 minutes; ARGS="--minutes 60")
	@scripts/prepare fuzz
	@$(PY) tests/fuzz/fuzz_run.py $(ARGS)

docs: venv ## write every document and schema that comes from code or data
	@$(PY) -m scripts.documents

# Former names, one part each.
diagram: venv
	@$(PY) -m scripts.documents diagram faults

messages uplink meters: venv
	@$(PY) -m scripts.documents $@

install: venv ## install below DESTDIR (empty: this machine)
	@PYTHON="$(PY)" DESTDIR="$(DESTDIR)" scripts/install

uninstall: ## remove what `make install` put below DESTDIR; configuration and record stay
	@DESTDIR="$(DESTDIR)" scripts/uninstall

lock: ## write requirements.lock from the ranges in pyproject.toml
	@PYTHON="$(PYTHON)" scripts/prepare lock

clean: ## remove everything that make made here
	@rm -rf build dist $(VENV) .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -path ./.git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
