# The interface of this project. Every target sets up what it needs, on a fresh machine too.
PYTHON ?= python3
# Tests at a time: most of them wait for somebody.
PARALLEL ?= 4
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.run-ready
DEV_READY := $(VENV)/.dev-ready
LAB_READY := $(VENV)/.lab-ready
OPENCODE_READY := .runtime/.ready
# An older release, from which the short rehearsal of an upgrade begins.
OLDER := .runtime/releases/1.14.41

.PHONY: run install test coverage check bench drill contract rehearse record fuzz soak clean lock opencode

run: $(RUN_READY) $(OPENCODE_READY)  ## start the service, or the sandbox when nothing is configured
	$(BIN)/python -m bot $(if $(MODEL),--model $(MODEL)) $(if $(CHANNEL),--channel $(CHANNEL))

install: $(RUN_READY) $(OPENCODE_READY)  ## everything that a run needs, without starting it

test: $(DEV_READY) $(OPENCODE_READY) $(OLDER)  ## the whole test suite, real OpenCode included
	$(BIN)/python -m pytest -n $(PARALLEL) $(TESTS)

coverage: $(DEV_READY) $(OPENCODE_READY) $(OLDER)  ## the same, and what it leaves unreached; takes twice as long
	$(BIN)/python -m pytest -n $(PARALLEL) --cov --cov-report=term:skip-covered $(TESTS)

check: $(DEV_READY)  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV_READY) $(OPENCODE_READY)  ## the benchmarks, side by side in one run
	$(BIN)/python -m tests.bench

drill: $(DEV_READY) $(OPENCODE_READY)  ## kill the service at every point, cut its power, judge what peers saw
	$(BIN)/python -m tests.drill $(ARGS)

contract: $(RUN_READY)  ## converse with each supported OpenCode, from npm; keep the table of what held
	$(BIN)/python -m bot.contract $(VERSIONS)

rehearse: $(DEV_READY) $(OPENCODE_READY)  ## upgrades and rollbacks of real releases, with chats at work; print the table
	$(BIN)/python -m tests.rehearse $(ARGS)

record: $(DEV_READY) $(OPENCODE_READY)  ## record the real OpenCode anew for the tests that read it
	$(BIN)/python -m tests.record

soak: $(LAB_READY) $(OPENCODE_READY)  ## half an hour under load: memory, descriptors and times must stay flat
	$(BIN)/python -m tests.soak $(ARGS)

fuzz: $(LAB_READY)  ## hostile bytes for ten minutes, guided by what they reach
	$(BIN)/python -m tests.fuzz $(TARGETS)

lock:  ## renew the locked dependencies after a change in pyproject.toml (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra dev pyproject.toml -o requirements-dev.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra dev --extra lab pyproject.toml -c requirements-dev.lock -o requirements-lab.lock

clean:  ## remove what these targets made; data/ and config/bot.toml stay
	rm -rf $(VENV) .runtime .peers build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov .fuzz
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUN_READY): requirements.lock | $(BIN)/python
	@echo "Installing Python packages, once; this takes a minute or two …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	touch $@

$(DEV_READY): requirements-dev.lock | $(BIN)/python
	@echo "Installing Python packages for development, once; this takes a minute or two …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	touch $@ $(RUN_READY)

$(LAB_READY): requirements-lab.lock | $(DEV_READY)
	@echo "Installing Python packages for the long runs, once …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-lab.lock
	touch $@

# `npm ci` would insist on a locked package for every platform; `npm install` keeps to the lock for those it has.
opencode:  ## install the pinned OpenCode and ripgrep under .runtime/
	@command -v npm >/dev/null || { echo "npm is needed to install OpenCode; install it, or put an opencode that is supported on the PATH." >&2; exit 1; }
	cp config/opencode/package.json config/opencode/package-lock.json .runtime/
	npm install --prefix .runtime --omit=dev --no-save --no-audit --no-fund --loglevel=error

# Without npm or its registry the tests say what they skip; a landing skips nothing.
$(OLDER): | $(DEV_READY)
	@echo "Installing OpenCode $(notdir $@), once, for the rehearsal of an upgrade …"
	@$(BIN)/python -m tests.rehearse --install $(notdir $@) || echo "OpenCode $(notdir $@) is not installed: the rehearsal will be skipped." >&2

# The pinned OpenCode and ripgrep, only where the PATH has none that we are proved with.
$(OPENCODE_READY): config/opencode/package-lock.json | $(RUN_READY)
	@mkdir -p .runtime
	@$(BIN)/python -m bot.opencode.binaries || $(MAKE) --no-print-directory opencode
	touch $@
