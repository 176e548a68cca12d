# One word runs all checks: `make check` (in an environment with `pip install -e '.[dev]'`).
.PHONY: check format lint types layers docs tests corpus fuzz

check: lint types layers docs corpus tests

format:
	ruff format .
	ruff check --fix .

lint:
	ruff format --check .
	ruff check .

types:
	mypy

layers:
	lint-imports

docs:
	python tests/check_docs.py

corpus:
	python corpus/build.py --check

tests:
	pytest -n auto


# hostile inputs for every reader, an hour or two: its head says more; the tests have a short version
fuzz:
	python tests/fuzz/run.py
