# NEXUS: `make run` starts everything, `make test` proves it. The environment makes itself.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON := $(shell for one in $(NEXUS_PYTHON) python3.13 python3.12 python3.11 python3; do \
	$$one -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$one && break; done)
BIN := .venv/bin

.PHONY: help run test check bench lock setup format migration surfaces

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/python:
	@test -n "$(PYTHON)" || { echo "NEXUS needs Python 3.11 or later with venv (on Debian: apt install python3-venv). Set NEXUS_PYTHON to name one."; exit 1; }
	@$(PYTHON) -m venv .venv && touch $@

.venv/run: .venv/python requirements/run.txt
	@echo "Preparing the environment (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/run.txt
	@$(BIN)/python tools/link_package.py
	@touch $@

.venv/dev: .venv/run requirements/dev.txt
	@echo "Preparing the tools for tests and checks (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/dev.txt
	@touch $@

setup: .venv/dev ## Make the environment with everything tests and checks need

run: .venv/run ## Start NEXUS on embedded engines and say where to go
	@exec $(BIN)/nexus up

test: .venv/dev ## Run everything that must hold
	@tools/system-parts
	@tools/promtool
	@tools/invoice-rules
	@$(BIN)/python -m tools.node_parts
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --no-loadscope-reorder $(ARGS)

check: .venv/dev ## Format, lint, types, contracts, own lints
	@$(BIN)/python tools/check.py

format: .venv/dev ## Bring the code into its format
	@$(BIN)/ruff format nexus tests tools bench && $(BIN)/ruff check --fix nexus tests tools bench

migration: .venv/dev ## Write a migration: SERVICE=crm (version 1), or SERVICE=crm NAME=what_changes
	@$(BIN)/python -m tools.migration $(SERVICE) $(NAME)

surfaces: .venv/dev ## Write what every service promises: surfaces.lock and .proto (ACCEPT=crm.Lead.email breaks a promise on purpose)
	@$(BIN)/python -m tools.surfaces $(foreach one,$(ACCEPT),--accept $(one))

bench: .venv/dev ## Measure against a naive peer and against the database alone
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/bench.txt
	@$(BIN)/python -m bench $(ARGS)

lock: ## Resolve the requirements again and pin them by hash
	@for one in run dev bench; do $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
		--strip-extras --allow-unsafe --no-header -o requirements/$$one.txt requirements/$$one.in; done
