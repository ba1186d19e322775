# The lab's commands. `make help` lists them; each sets up .venv first and keeps it.
#
#   make sweep                                    the symmetry study, minutes on two cores
#   make sweep SWEEP=symmetry PROFILE=cpu SEEDS=10
#   make sweep LAUNCHER=slurm ARGS="--slurm-partition gpu --slurm-gpus 1"
#   make test

PYTHON  ?= $(shell command -v python3.11 || command -v python3)
SWEEP   ?= symmetry
PROFILE ?= quick
SEEDS   ?=
RUNS    ?= runs
DATA    ?= data
REPORTS ?= reports
STATUS  ?= failed
LAUNCHER ?= isolated
TRACKING ?= offline
PROJECT ?=
ENTITY  ?=
RUN     ?=
SOURCE  ?=
TUNE_BY ?=
ARGS    ?=

# The environment is rebuilt when, and only when, one of these changes.
ENVIRONMENT := pyproject.toml constraints.txt
STAMP := .venv/.ready
PY := .venv/bin/python
SWEEPS = $(PY) -m sweeps $(1) $(SWEEP) --profile $(PROFILE) $(if $(SEEDS),--seeds $(SEEDS)) \
	--runs $(RUNS) $(if $(SOURCE),--source $(SOURCE)) --data $(DATA) --reports $(REPORTS) \
	--launcher $(LAUNCHER) --tracking $(TRACKING) $(ARGS)

.PHONY: help sweep plan status retry tables report publish wandb dashboard sync reproduce test lint format bench clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): $(ENVIRONMENT)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; type: make PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Setting up .venv (once; about two minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	@$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,slurm,dashboard,hub]'
	@touch $@

sweep: $(STAMP)  ## train what the sweep still lacks, then print its tables
	@$(call SWEEPS,run)

wandb: $(STAMP)  ## write W&B sweep files whose agents train the same runs
	@$(call SWEEPS,wandb)

plan: $(STAMP)  ## what the sweep would train, how long it takes, what it can resolve
	@$(call SWEEPS,plan)

status: $(STAMP)  ## where the sweep stands
	@$(call SWEEPS,status)

retry: $(STAMP)  ## train again what failed (STATUS=diverged: what diverged)
	@$(call SWEEPS,retry) --status $(STATUS)

tables: $(STAMP)  ## tables, figures and notebooks of every sweep again, from runs/ or results/
	@$(PY) -m analysis tables $(if $(filter-out file,$(origin SWEEP)),--sweep $(SWEEP)) \
		$(if $(filter-out file,$(origin PROFILE)),--profile $(PROFILE)) \
		$(if $(SOURCE),--source $(SOURCE)) $(if $(TUNE_BY),--tune-by $(TUNE_BY)) \
		--runs $(RUNS) --reports $(REPORTS) $(ARGS)

report: $(STAMP)  ## write one page on all studies: reports/index.html
	@$(PY) -m analysis report --runs $(RUNS) --reports $(REPORTS)

publish: $(STAMP)  ## copy the sweep's finished runs to results/ and its tables to README.md and docs/
	@$(call SWEEPS,publish)

dashboard: $(STAMP)  ## make or update W&B workspaces and reports: make dashboard ENTITY=<name>
	@$(PY) -m analysis dashboard --reports $(REPORTS) $(if $(ENTITY),--entity $(ENTITY)) \
		$(if $(PROJECT),--project $(PROJECT)) $(ARGS)

sync: $(STAMP)  ## upload to W&B what it does not hold yet, and verify it
	@$(PY) -m experiments.sync --runs $(RUNS) $(if $(PROJECT),--project $(PROJECT)) \
		$(if $(ENTITY),--entity $(ENTITY)) $(ARGS)

reproduce: $(STAMP)  ## train one run again and compare: make reproduce RUN=<id>
	@$(PY) -m experiments.reproduce $(RUN) --runs $(RUNS)

test: $(STAMP)  ## the whole test suite
	@$(PY) -m pytest -n 2 --dist worksteal

lint: $(STAMP)  ## format, lint and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

format: $(STAMP)  ## put the code into the house format
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

bench: $(STAMP)  ## benchmarks: overhead and fault injection
	@$(PY) -m benchmarks

clean:  ## remove the environment and caches; runs stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache *.egg-info
