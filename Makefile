# make project   the main job: calibrated projection, figures and rebound into out/
# make test      linters, types, architecture and tests
# make slow      tests that take longer than half a minute each
# make fit       the shipped fits and posteriors again, and what judges them (an hour)
# make pages     the pages of docs/ that programs write: one a scenario, the claims, the regions (5 minutes)
# make twin      the world as models/world.xmile, for Stella, Simlin, PySD
# make bench     speed against peers, into benchmarks/RESULTS.md (20 minutes; gcc for the C program)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: project test tests slow lint fit pages twin notebooks bench clean
.DEFAULT_GOAL := project

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "jevons needs Python 3.11 or newer: install it, or run 'make PYTHON=python3.12 project'" >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv and ensurepip are missing: on Debian or Ubuntu run 'apt-get install python3-venv', then make again" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

project: $(VENV)/.installed
	$(BIN)/jevons project --out out
	$(BIN)/jevons report --source out --out out/report.html

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tests: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow"

test: lint tests

slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m slow

notebooks: $(VENV)/.installed-dev
	$(BIN)/python notebooks/execute.py

FITS := calibration/fits

fit: $(VENV)/.installed
	$(BIN)/python calibration/fit_world.py $(FITS) --resume
	$(BIN)/jevons profile world --resume --out $(FITS)/profiles
	$(BIN)/jevons backtest world --resume --out $(FITS)/backtest
	$(BIN)/jevons backtest world --variant wide_bias --resume --out $(FITS)/backtest
	$(BIN)/python calibration/checks_world.py
	$(BIN)/python calibration/evidence_world.py
	$(BIN)/python calibration/ablation_world.py --resume
	$(BIN)/python calibration/country/world_values.py
	$(BIN)/python calibration/country/us_numbers.py
	$(BIN)/python calibration/frontier_world.py $(FITS)/frontier docs/images

# Pages of docs/ that programs write: scenarios, claims, regions.
pages: $(VENV)/.installed
	$(BIN)/jevons experiments --docs docs/scenarios
	$(BIN)/jevons claims --docs docs --out out/claims
	$(BIN)/python calibration/regions_world.py $(FITS)/regions docs/images/regions.png

twin: $(VENV)/.installed
	$(BIN)/python calibration/twin_world.py models/world.xmile

$(VENV)/.installed-bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	@touch $@

bench: $(VENV)/.installed-bench
	$(BIN)/python benchmarks/run.py --out benchmarks/RESULTS.md

clean:
	rm -rf $(VENV) out build *.egg-info
