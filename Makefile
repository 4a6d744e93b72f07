# People and CI use the same commands; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
SCRIPTS := $(shell grep -ls '^#!/usr/bin/env python3' scripts/*)

.DEFAULT_GOAL := help
.PHONY: help setup demo check test lint format clean cluster demo-cluster cluster-down test-cluster

help:  ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## Make .venv with everything (once; quick when up to date)
	@$(PYTHON) scripts/setup

demo: setup  ## Make three experts of a small language model and evolve their merges
	$(BIN)/cycleqd demo-experts
	$(BIN)/cycleqd run manifests/examples/quickstart.yaml --store out/quickstart

check: setup  ## Run the fast tests, style, types and imports: the loop of a change
	@$(BIN)/python scripts/test fast

test: setup  ## Run every tier of tests, fast ones first
	@$(BIN)/python scripts/test

cluster: setup  ## Bring up a real two-node Kubernetes with S3 and the operator here (Linux, root)
	@$(BIN)/python -m devcluster up

demo-cluster: setup  ## The same, and follow the quickstart in it to its end
	@$(BIN)/python -m devcluster demo

cluster-down:  ## Take that cluster away, with all that it made
	@$(BIN)/python -m devcluster down

test-cluster: setup  ## Test with real pods: on the cluster of KUBECONFIG, else on one made for it
	@CYCLEQD_TEST_KUBECONFIG="$(KUBECONFIG)" $(BIN)/python scripts/test nodes

lint: setup  ## Check style, types and the direction of imports
	$(BIN)/ruff check . $(SCRIPTS)
	$(BIN)/ruff format --check . $(SCRIPTS)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## Rewrite the code in the project's style
	$(BIN)/ruff check --fix . $(SCRIPTS)
	$(BIN)/ruff format . $(SCRIPTS)

clean:  ## Remove caches and built packages; keeps .venv and the runs in out/
	rm -rf dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find runtime operator devcluster scripts tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
