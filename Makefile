# The short way on Linux and macOS. docs/running.md and CONTRIBUTING.md give the plain commands, for Windows too.
PYTHON ?= python3
PROCESSES ?= 2
VENV := .venv
RUN := $(VENV)/bin/python
INSTALL = $(RUN) -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: demo help run setup test test-long lint lint-page types format clean

demo: $(VENV)/demo-installed  ## try the bot on this machine, without Discord
	@$(RUN) -m bot demo

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

run: $(VENV)/bot-installed  ## run the bot on Discord as .env says; the first time it asks for what is missing
	@$(RUN) -m bot run

setup: $(VENV)/all-installed  ## install everything that developing and testing needs
	@$(RUN) scripts/fetch_small_model.py
	@$(RUN) scripts/ensure_browser.py

test: setup  ## run all tests but the long ones, with coverage, in PROCESSES processes (2)
	$(RUN) -m pytest -n $(PROCESSES) --dist worksteal --cov --cov-report=term:skip-covered --durations=25

test-long: setup  ## run the long tests: many examples of each property, hundreds of kills and faults
	-$(RUN) scripts/completion_server.py llama.cpp --install-only  # without it, its tests are skipped
	$(RUN) -m pytest -n $(PROCESSES) --dist worksteal -m 'long or hypothesis' --examples-times 20 --timeout 7200 --durations=25
	$(RUN) scripts/fault_suite.py --rounds 200
	$(RUN) scripts/kill_suite.py --rounds 100
	$(RUN) scripts/disk_cache_fault_suite.py --rounds 100
	$(RUN) scripts/discord_fault_suite.py --rounds 200

lint: $(VENV)/all-installed lint-page  ## check style, format, the layers, the Dockerfile and the demo's page
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/hadolint Dockerfile

lint-page:  ## check the demo page's JavaScript and CSS, where Node is installed
	@if ! command -v npm >/dev/null; then echo "lint-page: skipped, because npm is not installed"; \
	else { test node_modules/.package-lock.json -nt package-lock.json || npm ci --silent --no-audit --no-fund; } \
	&& npm run --silent lint; fi

types: $(VENV)/all-installed  ## check types
	$(RUN) -m mypy

format: $(VENV)/all-installed  ## repair style and format
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:  ## delete what the targets above made, models excepted
	rm -rf $(VENV) build artifacts .coverage* .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

$(VENV)/new:
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON); name a Python: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'error: Python 3.11 or newer is needed; name one: make PYTHON=python3.11 $(MAKECMDGOALS)')"
	$(PYTHON) -m venv $(VENV)
	@touch $@

# One stamp for each set of packages: pip runs again only when the lists change.
$(VENV)/bot-installed: $(VENV)/new pyproject.toml constraints.txt
	$(INSTALL) -e .
	@touch $@

$(VENV)/demo-installed: $(VENV)/new pyproject.toml constraints.txt
	$(INSTALL) -e '.[demo]'
	@touch $@ $(VENV)/bot-installed

$(VENV)/all-installed: $(VENV)/new pyproject.toml constraints.txt
	$(INSTALL) -e '.[demo,optimum,postgresql,development]'
	@touch $@ $(VENV)/bot-installed $(VENV)/demo-installed
