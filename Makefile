# Every target creates .venv and installs what it needs, once.  PYTHON chooses the interpreter: make test PYTHON=python3.12
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
ARGS   ?=
# Programs that tests start find their bytecode, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=
# Tests run in as many processes as there are processors, 8 at most: WORKERS=0 runs them in one, for a debugger.
WORKERS  ?= auto
PARALLEL := --numprocesses=$(WORKERS) --maxprocesses=8 --dist=worksteal

.PHONY: demo test test-all judge lint docs pictures bench bitcoind kubectl schemathesis openapi-spec-validator pythons foreign clean help
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

demo: $(READY) bitcoind  ## run a bitcoin network under our controller, with no cluster  (ARGS="--nodes 5")
	@$(BIN)/bitcoin-controller demo $(ARGS)

test: $(READY) bitcoind kubectl  ## run all tests  (ARGS="-k mesh")
	@$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

test-all: $(READY) bitcoind kubectl schemathesis openapi-spec-validator pythons foreign  ## run the long tests too: fuzzing, soaks, mutations
	@$(BIN)/python -m pytest -m "not judge" --hypothesis-profile=thorough --timeout=1800 $(PARALLEL) $(ARGS)

judge: $(READY)  ## compare with a real control plane, whose programs are in $KUBEBUILDER_ASSETS
	@$(BIN)/python -m pytest -m judge $(ARGS)

lint: $(READY)  ## style, types (ours, and what an editor shows of each public name), import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@PATH="$(CURDIR)/$(BIN):$$PATH" pyright ctrlkit examples tests/examples
	@mkdir -p build
	@PATH="$(CURDIR)/$(BIN):$$PATH" pyright --verifytypes ctrlkit --ignoreexternal > build/types.txt 2>&1 \
	|| { grep -A3 'error:' build/types.txt; tail -3 build/types.txt; exit 1; }

docs: $(READY)  ## make the documentation's site, build/site/index.html, without a warning
	@$(BIN)/sphinx-build --builder html --write-all --fail-on-warning --keep-going --nitpicky --quiet --jobs auto docs build/site
	@echo "made build/site/index.html"

pictures: $(READY)  ## take the pictures of the documentation anew, in a Chromium: docs/pictures
	@$(BIN)/python -m tests.browser.pictures

bench: $(READY)  ## measure against the budgets; writes build/bench.json  (ARGS="workqueue")
	@mkdir -p build
	@$(BIN)/python -m tests.bench --json build/bench.json $(ARGS)

bitcoind: $(READY)  ## fetch a real regtest bitcoind into .venv, where there is one for this machine
	@$(BIN)/python -m ctrlkit.fakes.bitcoind.fetch --into $(BIN)

kubectl: $(READY)  ## fetch the kubectl that the tests use into .venv, where there is one for this machine
	@$(BIN)/python -m tests.support.fetch_kubectl --into $(BIN)

schemathesis: $(VENV)/schemathesis/bin/schemathesis  ## install the fuzzer of OpenAPI documents, beside all else

$(VENV)/schemathesis/bin/schemathesis: $(READY) constraints.txt
	@$(BIN)/python -m venv $(VENV)/schemathesis
	@PIP_CONSTRAINT=constraints.txt $(VENV)/schemathesis/bin/python -m pip --disable-pip-version-check --quiet install schemathesis
	@touch $@

openapi-spec-validator: $(VENV)/openapi/bin/openapi-spec-validator  ## install a reader of OpenAPI documents, beside all else

$(VENV)/openapi/bin/openapi-spec-validator: $(READY) constraints.txt
	@$(BIN)/python -m venv $(VENV)/openapi
	@PIP_CONSTRAINT=constraints.txt $(VENV)/openapi/bin/python -m pip --disable-pip-version-check --quiet install openapi-spec-validator
	@touch $@

pythons: $(READY)  ## make environments for the other Pythons of this machine, for make test-all
	@PIP_CONSTRAINT=constraints.txt $(BIN)/python -m tests.support.pythons --into $(VENV)/pythons

foreign: $(READY)  ## make environments for foreign clients of the API server: other libraries and languages, helm
	@$(BIN)/python -m tests.foreign.environments --into $(VENV)/foreign

clean:  ## remove all that was made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ctrlkit needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@echo "installing into $(VENV) ..." >&2
	@PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt $(PIP) install --editable '.[dev]'
	@touch $@
