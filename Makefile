# Every target sets itself up; Python 3.11 or newer and pip are all it takes.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DATA := $(realpath ../shared/data)
ifneq ($(DATA),)
export QUORUM_DATA ?= $(DATA)
endif

.PHONY: demo test check bench soak train clean

demo: .venv/ready
	$(BIN)/quorum demo

test: .venv/ready-dev
	$(BIN)/python -m pytest

check: .venv/ready-dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

bench: .venv/ready-dev
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

soak: .venv/ready-dev
	$(BIN)/python benchmarks/serve_load.py --people 8 --questions 5000

train: .venv/ready-dev
	$(BIN)/quorum train embedded --out runs/embedded

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A stamp per set-up: made again when pyproject.toml changes, left alone otherwise.
.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[all]"
	touch $@

# Without what they ask for: their pin of protobuf is older than that of onnx, and both work.
FIREBIRD := sqlalchemy-firebird firebird-driver firebird-base python-dateutil six

# The tests train tiny members, so they need what training needs.
.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,train,ray]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps $(FIREBIRD)
	touch $@
