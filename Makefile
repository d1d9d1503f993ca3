# Each target does what it needs first, from a bare clone. `make help` lists them.
#
#   make setup PYTHON=python3.12    another interpreter
#   make setup ROS=wheels           ROS 2 from Python wheels, also where a ROS 2 environment is sourced
#   make test TEST_ARGS='-k path'   arguments for pytest: some of the tests, and no coverage
#   make view VIEW_ARGS=--no-open   arguments for crisp-ik sim
#   make bench BENCH_ARGS=--quick   arguments for python -m benchmarks
#   make soak FUZZ_ARGS='urdf --runs 10000' SOAK_ARGS='--minutes 5'
#                                   arguments for python -m fuzz and python -m benchmarks.soak

SHELL := /bin/bash
.SHELLFLAGS := -e -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup view demo test lint docs bench soak mutation clean

TEST_ARGS ?=
VIEW_ARGS ?=
BENCH_ARGS ?=
FUZZ_ARGS ?= --runs 1000000
SOAK_ARGS ?=
MUTATION_ARGS ?=

# Tests and demo talk to nodes of this machine only: they neither disturb a robot on the network nor are moved by one.
# Humble knows the older variable only, and newer releases warn of it.
LOCAL := export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST; \
	if [ "$${ROS_DISTRO:-}" = humble ]; then export ROS_LOCALHOST_ONLY=1; fi
ENTER := . ./env.sh; $(LOCAL)

help:
	@echo "make setup   environment (.venv) and built package (install/)"
	@echo "make view    see the arm trace the spiral in a browser, learned, one degree off, until Ctrl-C"
	@echo "make demo    the Panda follows a spiral and a circle; results in out/demo/"
	@echo "make test    formatting, lint, types, all tests, and the share of lines that they reach"
	@echo "make lint    formatting, lint and types only"
	@echo "make docs    the documentation, out/docs/index.html"
	@echo "make bench   measure speed, accuracy and memory, beside other libraries, which it installs"
	@echo "make soak    the long tests, a million changed inputs for all that is read, then half an hour of the whole system under load"
	@echo "make mutation  small mistakes in the sources, and whether a test notices"
	@echo "python examples/01_solve_a_pose.py   short programs to start from: examples/README.md"
	@echo "make clean   remove what the other targets made"

setup:
	@PYTHON="$(PYTHON)" ROS="$(ROS)" scripts/setup.sh

demo: setup
	@$(ENTER); crisp-ik demo --out out/demo

view: setup
	@$(ENTER); crisp-ik sim --view --trajectory spiral --joint-bias-deg 1 $(VIEW_ARGS)

LINT := ruff check . && ruff format --check . && mypy

lint: setup
	@$(ENTER); $(LINT)

# Tests that are about time come last and by themselves: they want the machine for themselves, also from the tracer that
# notes which lines are reached. File by file, each worker takes the next one in order, the nodes' first: what is left for
# the end is short. Only all of the others together can say which lines none of them reaches.
ifeq ($(TEST_ARGS),)
test: setup
	@$(ENTER); code=0; python test/compile_first.py & { $(LINT); } || code=1; wait $$! || code=1; [ $$code = 0 ]; \
	rm -f .coverage .coverage.*; \
	OPENBLAS_NUM_THREADS=1 python -m pytest test -m "not long and not alone" -n 2 --dist loadfile --no-loadscope-reorder --durations=10 --cov --cov-report= || code=1; \
	python -m pytest test/ros -m "alone and not long" --durations=10 || code=1; \
	python -m coverage report --fail-under=95 || code=1; \
	exit $$code
else
test: lint
	@$(ENTER); python -m pytest $(TEST_ARGS)
endif

docs: setup
	@$(ENTER); python -m sphinx -W --keep-going -q docs out/docs; echo "out/docs/index.html"

# What crisp_ik is compared with is not part of set-up: hundreds of megabytes that nothing else needs.
bench: setup
	@scripts/peers.sh
	@$(ENTER); python -m benchmarks $(BENCH_ARGS)

# Each part runs whatever those before it have found.
soak: setup
	@$(ENTER); code=0; \
	python -m pytest -m long || code=1; \
	(cd test; python -m fuzz $(FUZZ_ARGS) --out ../out/soak/fuzz.json --findings ../out/soak/findings) || code=1; \
	python -m benchmarks.soak --out out/soak $(SOAK_ARGS) || code=1; \
	exit $$code

mutation: setup
	@$(ENTER); python -m benchmarks.mutation $(MUTATION_ARGS)

clean:
	rm -rf .venv build install log out *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
	find . -name __pycache__ -prune -exec rm -rf {} +
