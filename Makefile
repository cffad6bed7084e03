# Each target creates the virtual environment if it does not exist yet.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
WORKERS ?= logical
# Each worker starts with whole files, so that shared fixtures are built once; at the end, an idle worker takes tests from other workers.
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 8 --dist worksteal

.PHONY: help install demo test slow lint message-passing benchmark gpu clean

help:
	@echo "make demo             train and evaluate a model on synthetic motions (figures in demo_output/)"
	@echo "make test             run the tests, one process per core (WORKERS=1: a single process)"
	@echo "make slow             run the exhaustive tests, which \`make test\` skips"
	@echo "make lint             ruff and mypy"
	@echo "make message-passing  build torch-scatter and run the message-passing tests with it"
	@echo "make benchmark        measure the latency of every preset and variant (more: sybio benchmark)"
	@echo "make gpu              tests and measurements on a CUDA device, with the torch of GPU_PYTHON (python3)"
	@echo "make clean            remove the environment and all generated files"
	@echo "PYG_SYBIO_DATA=FOLDER make test also runs the tests on real recordings."

install: $(INSTALLED)

# torch is installed first, with a pinned version; otherwise pip installs the latest build with its CUDA packages.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train,viz,export,hub,serve,dev]"
	touch $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/sybio demo

test: $(INSTALLED)
	$(PYTEST) -m "not slow"
	@echo "Skipped: exhaustive tests (make slow)$(if $(PYG_SYBIO_DATA),,, tests on real recordings (set PYG_SYBIO_DATA))."

slow: $(INSTALLED)
	$(PYTEST) -m slow

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

build/scatter: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --no-deps \
		--target build/scatter.partial torch-scatter
	mv build/scatter.partial build/scatter

message-passing: build/scatter
	PYTHONPATH=build/scatter $(BIN)/python -m pytest -m message_passing

benchmark: $(INSTALLED)
	$(BIN)/sybio benchmark latency

# Installs nothing: GPU_PYTHON is a Python with torch for CUDA, torch-geometric and pytest. GPU_OPTIONS are options
# of the script, such as --rehearse.
GPU_PYTHON ?= python3
gpu:
	PYTHONPATH=. $(GPU_PYTHON) benchmarks/gpu.py $(GPU_OPTIONS)

clean:
	rm -rf $(VENV) build dist demo_output
