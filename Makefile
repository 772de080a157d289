# Each target makes the virtual environment that it needs. Python and make are enough.
PYTHON ?= python3
# The CPU build where the index has one; any torch that the extra allows will do.
TORCH ?= torch==2.13.0

DEMO = .venv-demo
DEV = .venv
MANIFEST = setup.cfg pyproject.toml keras_inits/__init__.py

.PHONY: demo test test-tensorflow test-jax test-torch lint format bench clean

demo: $(DEMO)/installed
	$(DEMO)/bin/keras-inits demo $(ARGS)

test: test-tensorflow test-jax test-torch

# The whole suite runs on TensorFlow; on JAX and torch, what touches a backend.
test-tensorflow: $(DEV)/installed
	KERAS_BACKEND=tensorflow $(DEV)/bin/python -m pytest $(ARGS)

test-jax test-torch: test-%: $(DEV)/installed
	KERAS_BACKEND=$* $(DEV)/bin/python -m pytest -m backend $(ARGS)

lint: $(DEV)/installed
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy

format: $(DEV)/installed
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

bench: $(DEV)/installed
	$(DEV)/bin/python -m benchmarks $(ARGS)

$(DEMO)/installed: $(MANIFEST)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet --upgrade pip
	$(DEMO)/bin/python -m pip install --quiet --editable '.[demo]'
	touch $@

$(DEV)/installed: $(MANIFEST)
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python -m pip install --quiet --upgrade pip
	$(DEV)/bin/python -m pip install --quiet '$(TORCH)'
	$(DEV)/bin/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(DEMO) $(DEV) build dist *.egg-info
