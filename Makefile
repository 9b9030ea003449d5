# Two commands do everything: `make run` (the main job on the embedded default) and `make test`.
#   make run ARGS=--exit            the demo, without leaving its server up
#   make test PYTEST_ARGS='-k ttl'  linters, types, then these tests
#   make test WORKERS=0             one test after the other
# Needed: Python 3.11 and make. `make setup`, which the others call, brings uv (into .uv/, unless it is on PATH) and the packages.
#   make images ONLY='token worker' REGISTRY=registry.example TAG=1.0   all without ONLY; PUSH=1 sends them there
.PHONY: setup run test lint bench images sbom format clean
.DEFAULT_GOAL := setup

PYTHON ?= python3
BIN := .venv/bin
# Processes that share the tests, each with its own servers. One of them is on the cluster for long; all of them wait for much.
WORKERS ?= $(shell expr $$(nproc 2>/dev/null || echo 1) + 2)
BYTECODE = $(BIN)/python -m compileall -q functions  # or `holdfast` would be compiled anew at each start, where .pyc are not written
# uv trusts what the machine trusts (a company's proxy, say), like Debian's pip; without such a file, what it brings.
export UV_SYSTEM_CERTS ?= $(if $(wildcard /etc/ssl/certs/ca-certificates.crt),true,false)

setup: .venv/.ready
	@$(BYTECODE)

.venv/.ready: pyproject.toml uv.lock
	@command -v uv >/dev/null || test -x .uv/bin/uv || PYTHON="$(PYTHON)" sh tests/servers/install.sh uv
	PATH="$$PATH:$(CURDIR)/.uv/bin" uv sync --quiet --frozen --all-groups --compile-bytecode
	@touch $@

run: setup
	$(BIN)/holdfast demo $(ARGS)

# The servers are brought while the linters run.
test: setup
	@mkdir -p build
	@sh tests/servers/install.sh servers >build/servers.log 2>&1 & \
	$(MAKE) --no-print-directory lint; linted=$$?; \
	wait $$! || { echo "not every server could be brought (build/servers.log):"; tail -n 20 build/servers.log; }; \
	exit $$linted
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

lint:
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m tests.bench $(ARGS)

REGISTRY ?=
TAG ?= dev
IMAGES = $(BIN)/python -m images.build --registry '$(REGISTRY)' --tag '$(TAG)' $(if $(PUSH),--push)

images: setup
	$(IMAGES) $(ONLY)

# The images' packages, one file for each group of them.
sbom: setup
	$(IMAGES) --sbom build/sbom $(ONLY)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .uv .tools build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find functions tests -name __pycache__ -type d -prune -exec rm -rf {} +
