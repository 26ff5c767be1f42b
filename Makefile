# Everything a developer types. `make` alone lists it.

PYTHON ?= python3
ARGS   ?=
VENV   := .venv
BIN    := $(VENV)/bin

# Stamps: newer than pyproject.toml and constraints.txt means that the environment is up to date.
RUNTIME := $(VENV)/.installed
DEV     := $(VENV)/.installed-dev

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test check fix soak bench docs clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNTIME)  ## start the server, setting it up first; ARGS="--port 9000" adds options
	@$(BIN)/darkroom serve $(ARGS)

# A few processes, each with whole files of tests: a file's fixtures start servers and build models.
# One more than there are cores: a quarter of the time a test waits for a server or for a clock.
PROCESSES = $$($(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
SPREAD    = -n $(PROCESSES) --dist worksteal

# One thread for torch: the suite runs several workers, and one thread repeats its bytes exactly.
test soak: export OMP_NUM_THREADS = 1
# Empty: write bytecode. Tests start some two hundred interpreters, and each would compile anew.
test soak: export PYTHONDONTWRITEBYTECODE =

test: $(DEV)  ## run the tests; ARGS="-k gallery" adds options
	@$(BIN)/python -m pytest -m "not soak and not slow" $(SPREAD) $(ARGS)

check: $(DEV)  ## lint, format, types and layers, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(DEV)  ## mend what the linter and the formatter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

soak: $(DEV)  ## run the tests that take long: crashes at random moments, thousands of jobs, quality
	@$(BIN)/python -m pytest -m "soak or slow" --timeout 3600 $(ARGS)

bench: $(DEV)  ## run the benchmarks
	@for program in benchmarks/[a-z]*.py; do echo "== $$program"; $(BIN)/python "$$program"; done

docs: $(DEV)  ## write docs/reference and the newest schema anew from the code
	@$(BIN)/python docs/build_reference.py

clean:  ## remove what tools left behind; the environment, images and settings stay
	@rm -rf build dist ./*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache
	@find . -path ./$(VENV) -prune -o -type d -name __pycache__ -print | xargs rm -rf

# pip compiles on one core: a minute. Packages hold files that are no Python of this version.
compile = $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true

# pip's whole output is pages long, and with --quiet a download of minutes is silent.
define install
	echo "Installing Darkroom into $(VENV) (torch is large: the first time takes minutes)"
	$(BIN)/python -m pip install --disable-pip-version-check --no-compile -c constraints.txt \
		--editable '$(1)' | awk '/Downloading .* [MG]B\)/ { print; fflush() }'
	$(compile)
endef

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,.)
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	@$(call install,.[dev])
# Without torchvision, for which spandrel asks: tests are to run without it.
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps -c constraints.txt spandrel einops
	@touch $(RUNTIME) $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Darkroom needs Python 3.11 or newer. Name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot create environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; \
		rm -rf $(VENV); exit 1; }
