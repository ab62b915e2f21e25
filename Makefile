# The two commands: 'make demo' (a molecule's name to its infrared spectrum) and 'make test'.
# Both first set up what is missing (envs/setup.sh). 'make help' lists the others.

SHELL := /bin/bash
BIN := $(CURDIR)/.venv/bin
CONFIG ?= config.yaml
PROFILE ?= profiles/local
export PATH := $(BIN):$(PATH)
# read by the shell from the environment: a name with blanks or quotes stays one word
export CONFIG PROFILE

.PHONY: demo run sweep polythiophene test test-slurm env python lint format types imports plan clean lock help

demo: run ## from config.yaml to results/<run>/report.html and the closing table

run: env ## compute what CONFIG asks for (config.yaml), where PROFILE says (profiles/local)
	@python workflow/launch.py --end-with-parent --workflow-profile "$$PROFILE" --configfile "$$CONFIG"

sweep: env ## only what sweep: of config.yaml asks for, to results/<run>/sweep.csv and figures
	@python workflow/launch.py sweep --end-with-parent --workflow-profile "$$PROFILE" --configfile "$$CONFIG"

polythiophene: ## one model for many lengths: studies/polythiophene.yaml, one to three hours (docs/polythiophene.md)
	@$(MAKE) run CONFIG=studies/polythiophene.yaml

test: python ## the whole test suite
	@envs/setup.sh psi4 || { [ -z "$$CI" ] && echo "tests that need Psi4 are left out"; }
	@python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/slurm $(PYTEST_ARGS)
	@echo "tests on a Slurm cluster were left out: make test-slurm"

test-slurm: python ## the pipeline on a Slurm cluster that is brought up for it; needs root
	@envs/setup.sh slurm psi4
	@python -m pytest -q tests/slurm $(PYTEST_ARGS)

env: ## .venv from the lock, and Psi4 where it can be installed
	@envs/setup.sh

python: ## .venv alone
	@envs/setup.sh python

plan: python ## jobs, core-hours, GPU-hours and time of what 'make demo' would run
	@python workflow/launch.py --plan --workflow-profile "$$PROFILE" --configfile "$$CONFIG"

lint: python ## ruff, snakefmt and Snakemake's own linter
	@ruff check .
	@ruff format --check .
	@snakefmt --check workflow
	@snakemake --lint

format: python ## rewrite the sources in the project's style
	@ruff check --fix .
	@ruff format .
	@snakefmt workflow

types: python ## mypy
	@mypy

imports: python ## the direction of imports inside densnet
	@lint-imports

lock: python ## write envs/requirements.lock and envs/densnet.yaml from what .venv holds
	@python envs/lock.py

clean: ## remove results and Snakemake's own records (not .venv)
	rm -rf results .snakemake

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 12
