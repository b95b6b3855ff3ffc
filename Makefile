# `make demo` and `make test` need Python 3.10 or newer and make: everything else goes into a virtual environment of their own.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DISTRIBUTIONS := . $(sort $(wildcard plugins/*))
PROJECTS := pyproject.toml $(sort $(wildcard plugins/*/pyproject.toml)) constraints.txt

.PHONY: demo test test-all check bench docs clean

demo: $(VENV)/installed
	@$(BIN)/python -m fluxplug simulate samples/lublin-64.swf --nodes 64 --cores 1 \
	  --policy fcfs --policy easy --policy conservative --report out/demo.html
	@$(BIN)/python -m fluxplug explain samples/lublin-64.swf --config conf/demo.toml --queued --at 2000000 --limit 5

test: $(VENV)/installed
	$(BIN)/pytest -q -n auto

test-all: $(VENV)/installed
	$(BIN)/python tests/all_versions.py

check: $(VENV)/checkers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed
	$(BIN)/python bench/run.py

clean:
	rm -rf $(VENV) out build dist

$(VENV)/python: 
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "fluxplug needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) --version). Use: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/python $(PROJECTS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(patsubst %,-e ./%,$(filter-out .,$(DISTRIBUTIONS))) -e '.[test]'
	touch $@

$(VENV)/checkers: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[check]' --no-deps 2>/dev/null || true
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt mypy ruff types-PyYAML
	touch $@
