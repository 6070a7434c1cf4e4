# What a person does here. `make hello` and `make test` need python3 with venv, git and make.
# Another interpreter or folder:  make test PYTHON=python3.13 VENV=/tmp/venv

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)
VENV ?= .venv
ARGS ?=
FAULTS ?= 1000
PLACE ?= both
SEED ?=

bin := $(VENV)/bin
export PATH := $(PATH):/usr/sbin:/sbin
pip := $(bin)/python -m pip --quiet --disable-pip-version-check
pytest := $(bin)/python -m pytest

.PHONY: hello test testbed check fast fix bench chaos docs site clean

hello: $(VENV)/has-run  ## the main job: ten tasks on this computer
	$(bin)/batchio run --follow examples/hello.sh

test: testbed $(VENV)/has-dev  ## every test; lint, types and contracts are tests too
	$(pytest) -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

testbed: $(VENV)/has-dev  ## what the tests over real SSH need; only root can have it
	@.ci/testbed $(bin)/python

check: $(VENV)/has-dev  ## what must hold before a commit, in a minute
	$(bin)/ruff format --check
	$(bin)/ruff check
	$(bin)/mypy
	$(bin)/basedpyright --level error
	$(bin)/lint-imports
	$(bin)/python -m docs --check
	$(pytest) -n 2 --dist loadfile --no-loadscope-reorder -m "not testbed" $(ARGS)

fast: $(VENV)/has-dev  ## the unit tests: seconds
	$(pytest) tests/core tests/stores tests/submit $(ARGS)

fix: $(VENV)/has-dev  ## put the code in order
	$(bin)/ruff check --fix
	$(bin)/ruff format

bench: $(VENV)/has-dev  ## the measurements of docs/reference/benchmarks
	$(bin)/python -m benchmarks $(ARGS)

chaos: $(VENV)/has-dev  ## a campaign of kills, cuts and reboots; see tests/chaos/README.md
	$(bin)/python -m tests.chaos --faults $(FAULTS) --place $(PLACE) $(if $(SEED),--seed $(SEED)) $(ARGS)

docs: $(VENV)/has-dev  ## what is made from the code, and the picture of the README
	$(bin)/python -m docs
	$(bin)/python docs/picture.py
	$(bin)/python -m docs.dashboard_picture

site: $(VENV)/has-dev  ## the docs as a site that can be searched: dist/site/index.html
	$(bin)/python -m sphinx --quiet --fail-on-warning --jobs auto docs dist/site
	@echo dist/site/index.html

clean:  ## back to a fresh clone
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(bin)/python:
	@test -n "$(PYTHON)" || { echo "batchio needs Python 3.11 or newer, and this computer's \
	python3 is $$(python3 -V 2>&1 | cut -d' ' -f2-). Install one, then: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: \
	apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@$(pip) install --upgrade "pip>=25.1"  # the first that knows dependency groups

$(VENV)/has-run: pyproject.toml | $(bin)/python
	$(pip) install --editable .
	@touch $@

$(VENV)/has-dev: pyproject.toml | $(bin)/python
	$(pip) install --editable . --group dev
	@touch $@ $(VENV)/has-run
