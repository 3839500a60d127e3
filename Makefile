# The short way on Linux and macOS. README.md gives the plain commands, for Windows too.
PYTHON ?= python3
PROCESSES ?= 2
VENV := .venv
RUN := $(VENV)/bin/python
INSTALL = $(RUN) -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: demo run setup test test-long lint lint-page types format clean

demo: $(VENV)/demo-installed  ## try the bot on this machine, without Discord
	@$(RUN) -m bot demo

run: $(VENV)/bot-installed  ## run the bot on Discord, as .env says; without a model, fetch one if the answer is yes
	@$(RUN) scripts/offer_model.py
	@$(RUN) -m bot run

setup: $(VENV)/all-installed  ## everything that developing and testing needs
	@$(RUN) scripts/fetch_small_model.py
	@$(RUN) scripts/ensure_browser.py

test: setup  ## all tests but the long ones, with coverage
	$(RUN) -m pytest -n $(PROCESSES) --dist worksteal --cov --cov-report=term:skip-covered --durations=25

test-long: setup  ## the long tests: many examples of every property, hundreds of kills
	$(RUN) -m pytest -m 'long or hypothesis' --examples-times 20 --timeout 7200 --durations=25
	$(RUN) scripts/fault_suite.py --rounds 200
	$(RUN) scripts/kill_suite.py --rounds 100

lint: $(VENV)/all-installed lint-page
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/lint-imports

lint-page:  ## the demo page's JavaScript and CSS, where Node is installed
	@if ! command -v npm >/dev/null; then echo "lint-page: skipped, because npm is not installed"; \
	else { test node_modules/.package-lock.json -nt package-lock.json || npm ci --silent --no-audit --no-fund; } \
	&& npm run --silent lint; fi

types: $(VENV)/all-installed
	$(RUN) -m mypy

format: $(VENV)/all-installed
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) build artifacts .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/new:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.11 ...')"
	$(PYTHON) -m venv $(VENV)
	@touch $@

# One file for each set of packages: what is installed already is not installed again until the lists change.
$(VENV)/bot-installed: $(VENV)/new pyproject.toml constraints.txt
	$(INSTALL) -e .
	@touch $@

$(VENV)/demo-installed: $(VENV)/new pyproject.toml constraints.txt
	$(INSTALL) -e '.[demo]'
	@touch $@ $(VENV)/bot-installed

$(VENV)/all-installed: $(VENV)/new pyproject.toml constraints.txt
	$(INSTALL) -e '.[demo,optimum,postgresql,development]'
	@touch $@ $(VENV)/bot-installed $(VENV)/demo-installed
