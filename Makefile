# make run: set up, then serve the page.   make test: set up, then lint, check types and test.
# Needs Python 3.11 to 3.13 and the network, once; uv is used where it is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(if $(shell command -v uv),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet)
# Two workers of one thread each: so small tensors gain nothing from more. A file's tests share its fixtures.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

.PHONY: run test slow bench wheel clean

run: $(VENV)/.ready
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) $(ARGS)

slow: $(VENV)/.ready-dev
	$(PYTEST) -m "slow and not alone" $(ARGS)
	$(BIN)/python -m pytest -m "slow and alone" --reruns 1 $(ARGS)

bench: $(VENV)/.ready-dev
	for subject in load lift render canvas aggregate edit embedded decompose colour deflicker interpolate restyle style; do $(BIN)/python -m benchmarks.$$subject || exit 1; done

wheel: $(VENV)/.ready-dev
	$(BIN)/hatchling build -t wheel

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready: requirements.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements.txt
	touch $@

$(VENV)/.ready-dev: requirements-dev.txt requirements-dev-nodeps.txt requirements-training.txt $(VENV)/.ready
	$(INSTALL) -r requirements-dev.txt
	$(INSTALL) --no-deps -r requirements-dev-nodeps.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache dist
