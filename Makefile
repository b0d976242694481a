# Everything that people type here. Each target does all of its own set-up.

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# make test ROS_DISTRO=kilted: another distribution, in folders of its own beside those of Jazzy. What
# the caller's shell has sourced decides nothing.
ifeq ($(origin ROS_DISTRO),command line)
export FOL_VPR_ROS_DISTRO := $(ROS_DISTRO)
SUFFIX := $(if $(filter-out jazzy,$(ROS_DISTRO)),-$(ROS_DISTRO))
endif

# A shell with ROS 2, the virtual environment and this workspace.
IN_WORKSPACE := . underlay/environment.bash && . install$(SUFFIX)/setup.bash &&

PYTEST_ARGS ?=
BENCH_ARGS ?=
DEMO_ARGS ?=
# What the demo builds its map from (a bag, or a folder of images), and what it plays to the node.
BAG ?=
IMAGES ?=
QUERIES ?=
OWN := $(BAG)$(IMAGES)
DRIVES := build/town/day build/town/evening build/town/overcast
TOWN := $(wildcard training/town/*.py training/town/*/*.py training/town/*/*/*.py)
SOURCES := fol_vpr launch test $(wildcard benchmarks docs/site examples training) setup.py

.PHONY: help setup test demo docs lint format bench clean distclean

help: ## what can be made here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 17
	@echo
	@echo 'After make setup: . .venv/bin/activate && . install/setup.bash'

setup: ## .venv/ and install/, from nothing; a moment where they are there; ROS_DISTRO=kilted beside them
	@underlay/setup

test: setup ## all tests; ROS_DISTRO=kilted with that one, FOL_VPR_SHARED=DIR adds those on real images, PYTEST_ARGS=... selects
	@$(IN_WORKSPACE) found=$$(colcon list --names-only | sort | xargs) && \
	  if [[ $$found != 'fol_vpr fol_vpr_msgs' ]]; then \
	    echo "colcon list finds '$$found', expected both fol_vpr and fol_vpr_msgs"; exit 1; fi
	@$(IN_WORKSPACE) python -m pytest $(PYTEST_ARGS)

demo: setup $(if $(OWN),,$(DRIVES:%=%/metadata.yaml)) ## the whole path, in a synthetic town; BAG=... or IMAGES=..., and QUERIES=..., are yours; DEMO_ARGS='--pose-topic /pose' goes to fol_vpr demo
	@$(IN_WORKSPACE) fol_vpr demo $(if $(BAG),--bag '$(BAG)') $(if $(IMAGES),--images '$(IMAGES)') \
	  $(if $(QUERIES),--queries '$(QUERIES)') \
	  $(if $(OWN),,--bag build/town/day --queries build/town/evening --further build/town/overcast \
	    --pose-topic /ground_truth --odom-topic /odom --scale street --positive-radius 5 --positive-angle 40) \
	  $(DEMO_ARGS)

# Drives along the same way: another time of day, another line on the pavement. The town is one that
# the networks that come with the package have never seen.
build/town/day/metadata.yaml: DRIVE := --drive 1 --condition day
build/town/evening/metadata.yaml: DRIVE := --drive 2 --condition evening --lateral 0.7 --heading 4
build/town/overcast/metadata.yaml: DRIVE := --drive 3 --condition overcast --lateral -0.5 --heading -3 --rate 2
build/town/%/metadata.yaml: $(TOWN) | setup
	@echo 'Drawing a drive through the town: $*'
	@$(IN_WORKSPACE) python -m training town drive $(DRIVE) --seed 13 --overwrite --output $(@D)

lint: setup ## ruff and mypy
	@$(IN_WORKSPACE) ruff check $(SOURCES) && ruff format --check $(SOURCES) && mypy

format: setup ## let ruff put the sources into the one style
	@$(IN_WORKSPACE) ruff check --fix $(SOURCES) && ruff format $(SOURCES)

docs: setup ## the documentation as a site: build/site/index.html; needs Python 3.11
	@$(IN_WORKSPACE) NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict
	@echo 'The site: build/site/index.html'

bench: setup ## latency per stage, and the other figures that the documentation quotes
	@$(IN_WORKSPACE) python -m benchmarks $(BENCH_ARGS)

clean: ## remove what was built, and caches; keep .venv/
	rm -rf build build-* install install-* log demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find fol_vpr test -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove .venv/ too
	rm -rf .venv .venv-*
