# Two commands do everything on a fresh machine with Python 3.11: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ROUNDS ?= 20
JOBS ?= 2
CHAOS_S ?= 60
FUZZ_S ?= 60
SOAK_S ?= 600

.DEFAULT_GOAL := help
.PHONY: help setup packages test-packages demo demo-picture test test-fast test-all test-plugins test-clients crash chaos fuzz lint docs bench soak clean

$(BIN)/influxdb3: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(BIN)/influxdb3

setup: $(BIN)/influxdb3 ## Make .venv with all packages, and the pre-commit hooks
	@if [ -d .git ] && [ -z "$$CI" ]; then $(BIN)/pre-commit install >/dev/null; fi

test: $(BIN)/influxdb3 ## Run everything that CI holds, two tests at a time (JOBS=2): processes, short crash and hostile runs included
	$(BIN)/python -m pytest -m 'not long and not clients' -n $(JOBS) --dist worksteal

test-fast: $(BIN)/influxdb3 ## Run the tests that start no process
	$(BIN)/python -m pytest -m 'not long and not process'

test-all: $(BIN)/influxdb3 ## Run every test, the long properties too
	$(BIN)/python -m pytest -m 'not clients'

test-plugins: $(BIN)/influxdb3 ## Run the plugins of a folder, unmodified: make test-plugins PLUGINS=<folder> [ONLY=<name>] [OFFLINE=1]
	$(BIN)/python -m tests.public_plugins $(PLUGINS) $(if $(ONLY),--only $(ONLY)) $(if $(OFFLINE),--offline)

test-clients: $(BIN)/influxdb3 ## Let the official clients for Python, Go, JavaScript and Java write and query; fetches them
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[clients]'
	$(BIN)/python -m pytest tests/clients -rs

test-packages: $(BIN)/influxdb3 ## Build wheel, source package and Debian package, install each into an empty folder, start it
	$(BIN)/python -m pytest tests/packaging -rs

packages: $(BIN)/influxdb3 ## Build wheel, source package and (on Debian) a Debian package in build/packages
	rm -rf build/packages
	$(BIN)/uv build --quiet --out-dir build/packages
	UV=$(BIN)/uv packaging/debian/build.sh build/packages/*.whl build/packages

demo: $(BIN)/influxdb3 ## See the main job: plugins run, the server is killed, nothing is lost or doubled
	$(BIN)/python demo/run.py

demo-picture: $(BIN)/influxdb3 ## Draw the picture of the demo that the README shows, from what it prints
	$(BIN)/python demo/run.py --picture docs/pictures/demo.svg

crash: $(BIN)/influxdb3 ## Kill server and host again and again under load: ROUNDS=200 make crash
	ROUNDS=$(ROUNDS) $(BIN)/python -m pytest tests/e2e/test_crash.py tests/e2e/test_crash_letters.py -s

chaos: $(BIN)/influxdb3 ## Let hostile plugins rage beside steady writers and good triggers: CHAOS_S=600 make chaos
	CHAOS_S=$(CHAOS_S) $(BIN)/python -m pytest tests/e2e/test_chaos.py -s

docs: $(BIN)/influxdb3 ## Make the documentation as a site in build/docs; a warning is an error
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q docs build/docs

fuzz: $(BIN)/influxdb3 ## Look for bodies, parameters and log files that break the server: FUZZ_S=600 make fuzz
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_S)

soak: $(BIN)/influxdb3 ## Watch a server under steady load for what grows or is lost: SOAK_S=600 make soak
	$(BIN)/python -m tests.soak --seconds $(SOAK_S)

bench: $(BIN)/influxdb3 ## Measure, and compare with the saved baseline
	$(BIN)/python -m tests.bench

lint: $(BIN)/influxdb3 ## Check format, style, types, floors of imports, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

clean: ## Remove the environment and what tools left behind
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14
