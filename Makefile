# One environment, .venv, made from requirements.lock (hashed) whenever that changes.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.made
export OMP_WAIT_POLICY := PASSIVE
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: demo test test-long check notebooks bench lock clean

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP)  ## the whole line on the synthetic world, ending at a page
	$(BIN)/tierwise demo demo

test: $(STAMP)  ## every test that takes minutes at most
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not long"

test-long: $(STAMP)  ## the tests that take longer
	$(BIN)/python -m pytest -m long

check: $(STAMP)  ## style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: $(STAMP)  ## run each notebook as a script; those without their data say so
	for n in notebooks/*.py; do $(BIN)/python $$n || exit 1; done

bench: $(STAMP)  ## every benchmark, one after the other
	for b in benchmarks/*.py; do $(BIN)/python $$b || exit 1; done

lock:  ## resolve again: uv is needed for this only
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf .venv demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
