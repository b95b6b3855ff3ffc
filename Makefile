# `make demo` and `make test` need Python 3.10 or newer with its headers, a C compiler and make: all else goes into a virtual
# environment of the tree's own.
# Plain make and sh, so that it runs where a newcomer is. PYTHON chooses the Python, VENV the folder, ARGS goes to pytest.

VENV ?= .venv
PYTHON ?=
ARGS ?=

# By relative paths throughout: those of the tree may have spaces, which make cannot handle.
BIN := $(VENV)/bin
PROJECTS := $(sort $(wildcard plugins/*/pyproject.toml csrc/pyproject.toml))
CORE := $(wildcard csrc/*.py csrc/*.h csrc/include/*.h csrc/src/*.[ch])
EDITABLE := $(patsubst %/pyproject.toml,-e ./%,$(PROJECTS))

# The build back end is held to the constraints too: newer pips read the one variable for that, older ones the other.
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test test-all check bench chaos clean force

help:
	@echo 'make demo       run a sample workload under three queue policies, and draw the result'
	@echo 'make test       run the tests (ARGS="-k idset" runs some of them)'
	@echo 'make test-all   run the tests on each of Python 3.10 to 3.13 that this machine has'
	@echo 'make check      lint, formatting and types; the C core under sanitizers'
	@echo 'make bench      measure speed against peers and bounds'
	@echo 'make chaos      kill a busy server again and again (ARGS="--minutes 60 --kills 9999 --seed 1")'
	@echo 'make clean      remove what was installed and built'

demo: $(VENV)/installed
	@.ci/demo $(BIN)

test: $(VENV)/installed
	$(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist loadgroup $(ARGS)

test-all:
	@.ci/test-all $(MAKE)

check: $(VENV)/checkers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory -C csrc check

bench: $(VENV)/installed
	$(BIN)/python bench/run.py

chaos: $(VENV)/installed
	$(BIN)/python tests/chaos/chaos.py $(ARGS)

clean:
	rm -rf csrc/build csrc/*.egg-info csrc/fluxplug_graph/*.so .venv .venv-3.* out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Made anew when PYTHON names another version, or when the Python that it was made of has gone.
$(VENV)/python: force
	@.ci/make-venv $(VENV) "$(PYTHON)"

$(VENV)/installed: $(VENV)/python pyproject.toml $(PROJECTS) $(CORE) constraints.txt
	@echo 'Installing fluxplug and its plugins into $(VENV) ...'
	@$(PIP) -e '.[test]' $(EDITABLE)
	@touch $@

$(VENV)/checkers: $(VENV)/installed
	@$(PIP) -e '.[check]'
	@touch $@
