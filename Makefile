# The two commands: `make demo` shows the portal with a real Slurm, `make test` proves it. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
PY := $(VENV)/bin/python

# $(call step,what is done,command): say it, do it, say how long it took; on failure show what the command said.
define step
	@start=$$(date +%s); printf '%s … ' '$(1)'; log=$$(mktemp); \
	if ( $(2) ) >$$log 2>&1; then echo "$$(( $$(date +%s) - start )) s"; rm -f $$log; \
	else code=$$?; echo 'failed:'; cat $$log; rm -f $$log; exit $$code; fi
endef
# Debian packages, where this is Debian and we are root; elsewhere whoever runs it has to have them.
define debian
	@missing=$$(for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  start=$$(date +%s); printf 'Debian packages (%s) … ' "$$(echo $$missing)"; \
	  (apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing) \
	    >/tmp/portal-apt.log 2>&1 || { cat /tmp/portal-apt.log; exit 1; }; echo "$$(( $$(date +%s) - start )) s"; fi
endef

.PHONY: help
help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.made: 
	$(call debian,python3-venv)
	$(call step,Virtual environment,$(PYTHON) -m venv $(VENV))
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.txt
	$(call step,Python packages,$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements.txt)
	@touch $@

$(VENV)/.development: $(VENV)/.runtime requirements-dev.txt
	$(call step,Python packages for tests,$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements-dev.txt)
	@touch $@

.PHONY: browserfiles
browserfiles: $(VENV)/.runtime
	$(call step,Browser files,$(PY) manage.py browserfiles)
	$(call step,Static files packed,$(PY) manage.py packstatic)
	$(call step,Korean catalogue,$(PY) manage.py catalogue --compile)

.PHONY: install
install: browserfiles ## What the portal needs to run: packages, browser files, catalogue

.PHONY: install-dev
install-dev: $(VENV)/.development browserfiles ## … and what its tests need
	$(call debian,gettext debootstrap chromium-headless-shell fonts-noto-cjk)

.PHONY: demo
demo: ## The whole portal with a real Slurm, at http://localhost:PORT (PORT=8000); Ctrl-C ends it
	$(call debian,python3-venv debootstrap)
	@$(MAKE) --no-print-directory install
	@exec $(PY) manage.py demo --port $(PORT)

.PHONY: demo-reset
demo-reset: ## Forget the demo's database and cluster
	@$(PY) manage.py demo --reset

# All of it in parts at once; with ARGS what they pick, in one.
SUITE = $(if $(ARGS),pytest $(ARGS),tests.side_by_side)

.PHONY: test
test: install-dev ## The whole suite, on real PostgreSQL, real Slurm and a real browser
	@if [ "$$(id -u)" = 0 ] && [ "$$(uname -s)" = Linux ]; then $(MAKE) --no-print-directory sandboxes && REQUIRE_SLURM=1 $(PY) -m $(SUITE); \
	else echo 'Not root: the tests that need Slurm are skipped.'; $(PY) -m $(SUITE); fi

.PHONY: sandboxes
sandboxes: ## Build both Slurm sandboxes into the cache
	@$(PY) manage.py sandbox build --release forky
	@$(PY) manage.py sandbox build --release trixie

.PHONY: bench
bench: install-dev ## Figures, all or a part (ARGS=portal, plan, apply, dashboards, live, alerts, projection or ingest): the portal's times beside bare Slurm's
	@$(PY) -m tests.bench $(ARGS)

.PHONY: qa
qa: install-dev ## Everything that reads the code without running it
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy portal allocations accounting
	$(VENV)/bin/lint-imports
	$(VENV)/bin/djlint --quiet --lint templates
	@# It would warn that no database runs, which the comparison of models with files does not need.
	$(PY) -W ignore manage.py makemigrations --check --dry-run
	$(PY) manage.py catalogue --check

.PHONY: screenshots
screenshots: install-dev ## Pictures of every page into var/screenshots
	@$(PY) -m tests.screenshots

.PHONY: gallery
gallery: install-dev ## docs/gallery.md with small pictures of every page
	@$(PY) -m tests.screenshots --gallery
