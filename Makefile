# Every target installs what it needs; none needs anything but Python 3.11+, make and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORPUS ?= .tools/corpus
TESTS ?= tests

# uv is quick; where it cannot reach the registry that pip is configured for, pip does the same. Bytecode is made
# here, so that no start compiles, whatever PYTHONDONTWRITEBYTECODE says.
install = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(1) \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1)

.PHONY: help serve dev lint format test test-quick bench live corpus proof-crash proof-load proof-access proof-openapi proof-upstream proof-backup proof-nodes proof-sweep clean

help: ## show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

serve: $(VENV)/.runtime ## set everything up and run the index; STRONGROOM_PORT and the like are passed on
	@exec $(BIN)/strongroom serve

dev: $(VENV)/.dev $(VENV)/.clients $(VENV)/.passage ## set everything up for development

lint: $(VENV)/.dev ## ruff, mypy --strict, import-linter, the shape test
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports
	$(BIN)/python -m pytest tests/test_shape.py

format: $(VENV)/.dev ## let ruff format and sort
	$(BIN)/ruff check --fix --quiet src tests bench; $(BIN)/ruff format src tests bench

# Whatever the machine says of bytecode: what one pass and one worker have compiled, the others need not.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.dev $(VENV)/.clients $(VENV)/.passage ## set everything up and pass every test
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest -n 2 --dist worksteal --ignore tests/functional tests
	$(BIN)/python -m coverage combine --quiet 2> /dev/null; rm -f .coverage.*  # a test that kills leaves half a data file
	$(BIN)/python -m tests.coverage_gate
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/functional
	STRONGROOM_TEST_STORES=postgres $(BIN)/python -m pytest -n 2 --dist loadfile -m stores tests/functional
	STRONGROOM_TEST_STORES=postgres-s3 $(BIN)/python -m pytest -n 2 --dist loadfile -m stores tests/functional

test-quick: $(VENV)/.dev ## the tests below the functional floor, without coverage
	$(BIN)/python -m pytest -n 2 --ignore tests/functional $(TESTS)

bench: $(VENV)/.dev $(VENV)/.clients $(VENV)/.passage ## measure pages, files, uploads and whole installs, and print them
	$(BIN)/python -m bench
	$(BIN)/python -m bench.passage

live: $(VENV)/.dev $(VENV)/.clients ## install from the real upstream, directly, through one URL, and offline; compare
	$(BIN)/python -m tests.live

corpus: $(VENV)/.dev ## download popular real distributions, import them, compare every hash
	$(BIN)/python -m tests.corpus $(CORPUS)
	$(BIN)/python -m tests.corpus_proof $(CORPUS)

proof-crash: $(VENV)/.dev ## 1,000 kills under load: nothing acknowledged is lost, nothing half-visible
	$(BIN)/python -m tests.crash_proof --kills 1000

proof-load: $(VENV)/.dev ## 1 GiB wheels, 5,000-file pages, 500 slow clients: memory, time, and everybody closed in time
	$(BIN)/python -m tests.load_proof

proof-access: $(VENV)/.dev ## the whole matrix of identities, rights, routes and methods
	$(BIN)/python -m tests.access_proof

proof-openapi: $(VENV)/.dev ## schemathesis over the API as five identities
	$(BIN)/python -m tests.openapi_proof --examples 100

proof-backup: $(VENV)/.dev ## 20 backups under load, restored into the other kind of store and back; 10,000 files in under five minutes
	$(BIN)/python -m tests.backup_proof

proof-upstream: $(VENV)/.dev ## the real server before a thousand hostile upstreams: nothing wrong is kept or given
	$(BIN)/python -m tests.upstream_proof

proof-nodes: $(VENV)/.dev ## three nodes, one of them always dying, under uploads and installs for ten minutes
	$(BIN)/python -m tests.nodes_proof --seconds 600 --nodes 3

proof-sweep: $(VENV)/.dev ## the sweep without grace beside 100,000 uploads and deletions of the same bytes
	$(BIN)/python -m tests.sweep_proof --events 100000

clean: ## remove what the targets above made, data excepted
	rm -rf $(VENV) .tools .coverage* .mypy_cache .ruff_cache .hypothesis

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Strongroom needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip uv

$(VENV)/.runtime: pyproject.toml | $(BIN)/uv
	$(call install,-e .)
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/uv
	$(call install,-e '.[postgres]' --group dev)
	@$(BIN)/python -m compileall -q src
	@touch $@ $(VENV)/.runtime

$(VENV)/.clients: tests/clients.py $(wildcard tests/functional/requirements/*.txt) $(VENV)/.dev
	$(BIN)/python -m tests.clients install
	@touch $@

$(VENV)/.passage: tests/functional/passage/wheels.py tests/functional/passage/requirements.txt $(VENV)/.dev
	$(BIN)/python -m tests.functional.passage.wheels download
	@touch $@
