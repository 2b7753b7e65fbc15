# Everything that a person or CI runs. `make demo` and `make test` do all the set-up themselves;
# they need Debian's python3 (3.11 or newer), make and a package registry, nothing else.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
DEPENDENCIES := $(VENV)/.dependencies
INSTALLED := $(VENV)/.installed
PROTO := $(shell find proto -name '*.proto')
SKAB := ../shared/data/skab/anomaly-free.csv
DEVICE ?= software
SETTLE ?= embedded
FIRMWARE := $(MAKE) -s -C firmware PYTHON=$(abspath $(BIN)/python)
FIRMWARE_PROGRAMS := cc arm-none-eabi-gcc qemu-system-arm cppcheck valgrind clang
FIRMWARE_PACKAGES := gcc libc6-dev gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm \
	cppcheck valgrind clang libclang-rt-dev
UV := build/lock/bin/uv
COMPILE := $(UV) pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-header --no-emit-index-url --no-emit-find-links

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

.PHONY: venv
venv: $(INSTALLED) ## virtual environment in .venv from the lock file, generated gRPC code

# Debian splits venv from python3; as root it is fetched, otherwise the missing package is named.
$(DEPENDENCIES): requirements/dev.lock
	@if ! $(PYTHON) -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing Debian's python3-venv ..."; \
			apt-get update -qq; \
			DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends \
				python3 python3-venv >/dev/null; \
		else \
			echo 'error: needs Python 3.11 or newer with venv (Debian: python3-venv)' >&2; \
			exit 2; \
		fi; \
	fi
	@if ! $(BIN)/python -c 'import pip' 2>/dev/null; then \
		rm -rf $(VENV); \
		$(PYTHON) -m venv $(VENV); \
	fi
	@echo 'installing the locked dependencies into $(VENV) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/dev.lock
	@touch $@

$(INSTALLED): $(DEPENDENCIES) pyproject.toml setup.py $(PROTO)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: proto
proto: $(DEPENDENCIES) ## generate the gRPC code from proto/ in place
	@$(BIN)/python setup.py --quiet proto

# The rest of the project needs none of them, and tests that do are skipped where they are missing.
.PHONY: firmware-tools
firmware-tools:
	@if type $(FIRMWARE_PROGRAMS) >/dev/null 2>&1 && \
		[ -e "$$(arm-none-eabi-gcc -print-file-name=nano.specs)" ]; then \
		exit 0; \
	fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Debian's compilers, emulator and analysers for the firmware ..."; \
		if apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq \
			--no-install-recommends $(FIRMWARE_PACKAGES) >/dev/null; then \
			exit 0; \
		fi; \
	fi; \
	echo 'firmware: not all of $(FIRMWARE_PACKAGES) (Debian) are installed' >&2

.PHONY: firmware
firmware: venv firmware-tools ## the sensor for emulated boards and for this computer, in build/firmware
	@$(FIRMWARE) images
	@$(FIRMWARE) -f host.mk $(CURDIR)/build/firmware/host/plain/libzkmeter.so

.PHONY: firmware-report
firmware-report: venv firmware-tools ## the sensor's instructions, flash and memory, in build/firmware/report.json
	@$(FIRMWARE) report

.PHONY: demo
demo: venv $(if $(filter qemu,$(DEVICE)),firmware-tools) $(if $(filter iota,$(SETTLE)),node-tools) ## the main job on real pump data (CSV=path for your own log, DEVICE=qemu for an emulated sensor, SETTLE=iota)
	@$(if $(filter qemu,$(DEVICE)),$(FIRMWARE) images)
	@if [ -z "$(CSV)" ] && [ ! -f $(SKAB) ] && \
		! $(BIN)/python -c 'import importlib.metadata as m; m.distribution("river")' 2>/dev/null; \
	then \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
			--no-deps -r requirements/demo-data.lock; \
	fi
	@$(BIN)/python -m examples.demo --device "$(DEVICE)" --settle "$(SETTLE)" $(if $(CSV),--csv "$(CSV)")

# The same goes for Node.js and the official TypeScript SDK of IOTA, which check the settlement.
.PHONY: node-tools
node-tools: venv
	@$(BIN)/python -m tests.iota.node_tools

.PHONY: test-iota
test-iota: venv node-tools ## pays on the test node, with ZKMETER_IOTA_TESTNET=1 on IOTA's public test network (docs/iota.md)
	@$(BIN)/python -m pytest -s tests/iota/test_testnet.py

.PHONY: iota-costs
iota-costs: venv ## what settlements on IOTA cost: the table, and the plot docs/iota-costs.svg
	@$(BIN)/python -m tests.iota.costs

.PHONY: test
test: check firmware-tools node-tools ## every check and every test
	@$(BIN)/python -m pytest

.PHONY: test-long
test-long: check firmware-tools node-tools ## as `test`, with the tests that take minutes
	@$(BIN)/python -m pytest -m ''

.PHONY: check
check: venv ## ruff, mypy --strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --strict
	@$(BIN)/lint-imports

.PHONY: bench
bench: venv ## times, memory and sizes over lengths and parameter sets, in build/bench (ROWS=4096: no longer ones; READINGS=864000: that alone)
	@$(BIN)/zkmeter-prover bench $(if $(READINGS),--readings $(READINGS),--out build/bench $(if $(ROWS),--rows $(ROWS)))

.PHONY: vectors
vectors: venv ## make the project's own vectors in tests/vectors anew
	@for script in tests/vectors/make_*.py; do \
		$(BIN)/python -m "tests.vectors.$$(basename "$$script" .py)"; \
	done

.PHONY: lock
lock: ## pin the newest versions that fit pyproject.toml
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/pip install --quiet --disable-pip-version-check uv
	@$(COMPILE) --upgrade --extra prover --extra demo --extra iota --extra dev \
		--output-file requirements/dev.lock pyproject.toml
	@$(COMPILE) --upgrade --constraint requirements/dev.lock \
		--output-file requirements/verifier.lock pyproject.toml
	@$(COMPILE) --upgrade --no-deps --no-annotate \
		--output-file requirements/demo-data.lock requirements/demo-data.in
	@$(COMPILE) --upgrade --no-deps --no-annotate \
		--output-file requirements/node.lock requirements/node.in
	@rm -rf build/lock

.PHONY: clean
clean: ## remove what was generated (not .venv)
	@rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -path ./$(VENV) -prune -o \( -name '*_pb2*.py*' -o -name '*.pyc' \) -type f -print0 | xargs -0 rm -f
	@rm -f $(INSTALLED)
	@rm -rf prover/kernels/__pycache__
