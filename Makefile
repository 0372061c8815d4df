PYTHON ?= python3

.PHONY: check
check:
	ruff format --check . && ruff check . && mypy && pytest -q -n 2
