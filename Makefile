# OpenLNPU: every task of the project by one name. `make help` lists them.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
export AMARANTH_USE_YOSYS := builtin
export PYTHONHASHSEED := 0

.DEFAULT_GOAL := help
.PHONY: help setup run test test-full bitstream program lint types docs verilog results waves clean check-tools

help: ## list the targets
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check-tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed (PYTHON=$(PYTHON))"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "error: the venv module is missing: apt-get install python3-venv"; exit 1; }
	@for t in g++ make perl; do command -v $$t >/dev/null || { echo "error: '$$t' is missing: apt-get install g++ make perl"; exit 1; }; done

$(VENV)/.ready: pyproject.toml | check-tools
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

setup: $(VENV)/.ready ## create the virtual environment and install everything from PyPI

run: setup ## generate the default machine, compile it, train a network on it, compare it with the model
	$(BIN)/lnpu train --preset edge --device rtl -o build/run $(ARGS)

test: setup ## the tests that a change must pass (minutes); ARGS="-k fma" to choose
	$(BIN)/python -m pytest -n $(JOBS) -m "not full" --junitxml=build/junit/test.xml $(ARGS)

test-full: setup ## the long campaigns: exhaustive sweeps, coverage, mutation; SHARD=1/4, RESUME=FILE for parts
	$(BIN)/python -m pytest -n $(JOBS) -m full --junitxml=build/junit/test-full.xml \
		$(if $(SHARD),--shard $(SHARD)) $(if $(RESUME),--resume $(RESUME)) $(ARGS)

bitstream: setup ## build a board's bitstream: make bitstream BOARD=ulx3s-85f
	@test -n "$(BOARD)" || { echo "error: which board? make bitstream BOARD=ulx3s-85f (lnpu boards lists them)"; exit 1; }
	$(BIN)/lnpu bitstream --board $(BOARD) -o build/boards/$(BOARD) $(ARGS)

program: setup ## load that bitstream into the board: make program BOARD=ulx3s-85f
	@test -n "$(BOARD)" || { echo "error: which board? make program BOARD=ulx3s-85f"; exit 1; }
	$(BIN)/lnpu program --board $(BOARD) build/boards/$(BOARD)

lint: setup ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy on the pure-Python packages
	$(BIN)/mypy

docs: setup ## build the documentation with warnings as errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/site

verilog: setup ## export the default FMA to build/verilog
	$(BIN)/lnpu verilog fma -o build/verilog/fma

results: setup ## regenerate the tables in docs/results (LIBERTY=FILE: on that cell library too)
	$(BIN)/python scripts/results_fma.py $(if $(LIBERTY),--liberty $(LIBERTY))

waves: setup ## rerun a test with waveforms: make waves T=<pytest node id>
	@test -n "$(T)" || { echo "error: which test? make waves T=tests/unit/rtl/test_cocotb.py"; exit 1; }
	@rm -rf build/waves
	@LNPU_WAVES=1 $(BIN)/python -m pytest -m "" --tb=short "$(T)" || true
	@files=$$(find build/waves -name '*.vcd' 2>/dev/null); \
	test -n "$$files" || { echo "error: $(T) wrote no waveform (it compiles no hardware)"; exit 1; }; \
	echo "waveforms:"; for f in $$files; do echo "  $$f"; done; \
	for v in surfer gtkwave; do if command -v $$v >/dev/null; then exec $$v $$(echo $$files | cut -d' ' -f1); fi; done; \
	echo "(install surfer or gtkwave to see them)"

clean: ## remove build products (keeps the virtual environment)
	rm -rf build site dist .pytest_cache .mypy_cache .ruff_cache
