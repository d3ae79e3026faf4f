# make demo    everything on this machine: broker, store, simulated town, monitor, page
# make test    install what the tests need, run the checks and all tests
# make check   the fast checks only: formatting, lint, types, direction of imports
# make chaos   break servers, networks and disks at random for an hour and more, and count what is stored

VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help demo test check tests chaos fmt lock servers env env-dev clean

help:
	@sed -n 's/^# make/make/p' Makefile

env:
	@deploy/setup/venv.sh $(VENV) run

env-dev:
	@deploy/setup/venv.sh $(VENV) dev

servers:
	@deploy/setup/test-servers.sh

# exec: Ctrl-C reaches Twuin itself and make reports no error of its own.
demo: env
	@exec $(BIN)/twuin demo $(ARGS)

test: env-dev servers check tests

check: env-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two at a time: tests of whole installations one after another, beside all others (tests/conftest.py).
tests:
	$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder $(ARGS)

# A hundred rounds for each store take about an hour and a half; TWUIN_CHAOS_SEED repeats a run.
chaos: env-dev servers
	TWUIN_CHAOS_ROUNDS=$${TWUIN_CHAOS_ROUNDS:-100} $(BIN)/python -m pytest -s tests/e2e/chaos $(ARGS)

fmt: env-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The lock files pin every package with its hashes, for every platform, from the ranges in pyproject.toml.
lock: $(BIN)/uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra demo --extra postgres --extra grafana --extra dask --extra traces pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	  --python-version 3.11 --extra demo --extra postgres --extra grafana --extra dask --extra traces --group dev pyproject.toml -o requirements-dev.lock

$(BIN)/uv:
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet uv

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
