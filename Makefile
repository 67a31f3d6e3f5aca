.DEFAULT_GOAL := help
.PHONY: help setup demo up link user test test-fast test-real chaos rolling backlog check bench science train clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME_STAMP := $(VENV)/.runtime-installed
DEV_STAMP := $(VENV)/.dev-installed
KERNEL_STAMP := $(VENV)/.kernels-compiled
RUNTIME_EXTRAS := gateway,ingest,dedoppler,classify,export,local
KERNEL_SOURCES := $(shell find services/dedoppler services/classify -path '*kernels*' -name '*.py')

help: ## Show this help.
	@echo "Waterhole: technosignature search as a service."
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@echo "==> Creating a virtual environment in $(VENV) with $(PYTHON)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Waterhole needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "==> Installing Waterhole and its dependencies from PyPI (about a minute, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(RUNTIME_EXTRAS)]'
	@touch $@

$(DEV_STAMP): $(RUNTIME_STAMP)
	@echo "==> Installing the test and lint tools"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(RUNTIME_EXTRAS),science,peers,dev]'
	@touch $@

$(KERNEL_STAMP): $(RUNTIME_STAMP) $(KERNEL_SOURCES)
	@echo "==> Compiling the search kernels, once, into the on-disk cache"
	@find services -path '*kernels*' -name '*.nb[ic]' -delete # The cache of a kernel does not notice that a kernel it calls has changed.
	@$(BIN)/python -m services.dedoppler.compile
	@$(BIN)/python -m services.classify.compile
	@touch $@

setup: $(RUNTIME_STAMP) $(KERNEL_STAMP) ## Create the virtual environment, install dependencies, compile kernels.

demo: export OBSERVATION = $(value FILE)
demo: setup ## Analyze an observation end to end (FILE=path for your own, CADENCE=1 for six scans); results in out/.
	@$(BIN)/python -m deploy.local demo $(if $(value FILE),--file "$$OBSERVATION") $(if $(CADENCE),--cadence)

up: setup ## Run all services on this machine until Ctrl-C; prints a link that signs a browser in.
	@$(BIN)/python -m deploy.local up

link: setup ## Print a link that signs a browser in, once, as the demo user of the running stack.
	@$(BIN)/python -m deploy.local link

user: setup ## Create a user on the running stack and print an API key once (TIER=researcher).
	@$(BIN)/python -m deploy.local user --tier '$(or $(TIER),researcher)'

test: $(DEV_STAMP) $(KERNEL_STAMP) ## Run every test (PYTEST_ARGS="-k word").
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

# One process per core. The other suites stay in one process: their servers and time limits need the cores.
test-fast: $(DEV_STAMP) $(KERNEL_STAMP) ## Run the unit tests, in parallel, in under two minutes.
	@$(BIN)/python -m pytest tests/unit -m "not slow" -n auto $(PYTEST_ARGS)

test-real: $(DEV_STAMP) $(KERNEL_STAMP) ## Run the contract tests on Kafka, MongoDB and SeaweedFS in containers.
	@$(BIN)/python -m tests.servers

chaos: $(DEV_STAMP) $(KERNEL_STAMP) ## Kill and freeze processes while jobs run, then check every result (SERVERS=real, JOBS=200).
	@$(BIN)/python -m tests.chaos --servers '$(or $(SERVERS),embedded)' --jobs '$(or $(JOBS),200)'

rolling: $(DEV_STAMP) $(KERNEL_STAMP) ## Restart every service under load; no request may fail (SERVERS=real).
	@$(BIN)/python -m tests.chaos.rolling --servers '$(or $(SERVERS),embedded)'

backlog: $(DEV_STAMP) $(KERNEL_STAMP) ## Let jobs pile up and measure the memory of each service (JOBS=1000).
	@$(BIN)/python -m tests.chaos.backlog --jobs '$(or $(JOBS),1000)'

check: $(DEV_STAMP) ## Run the linter, the type checker and the import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV_STAMP) $(KERNEL_STAMP) ## Measure the search and the gateway on this machine.
	@$(BIN)/python -m tests.bench

science: $(DEV_STAMP) $(KERNEL_STAMP) ## Measure the search's accuracy; figures and tables in out/science/.
	@$(BIN)/python -m science.measure

train: $(DEV_STAMP) $(KERNEL_STAMP) ## Train the shape model again and write its model card (about five minutes).
	@$(BIN)/python -m science.training

clean: ## Remove the virtual environment, caches and local data.
	rm -rf $(VENV) .waterhole out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
