# Two commands do everything: `make run` (the main job on the embedded default) and `make test`.
.PHONY: setup
VENV := .venv

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml uv.lock
	command -v uv >/dev/null || python3 -m pip install --quiet --user uv || python3 -m pip install --quiet uv
	uv sync --quiet --frozen --all-groups --compile-bytecode
	touch $@
