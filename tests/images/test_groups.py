"""Each function in an environment that holds what its image holds, and nothing else: from the lock, by its group of extras."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from images.build import ROOT, Image, groups, images
from tests.servers.process import Process, fresh_folder, program
from tests.servers.required import missing

from holdfast.web import catalogue

CLIENTS = {"alembic", "boto3", "botocore", "cronsim", "lakefs-sdk", "pyyaml", "qdrant-client", "sqlalchemy"}
NOBODYS = {"hatchling", "holdfast", "httpx", "kopf", "kubernetes", "pip", "pytest", "qdrant-client", "ruff", "typer", "uv"}
OF_EXTRAS = {
    "sql": {"alembic", "sqlalchemy"},
    "s3": {"boto3", "botocore"},
    "lakefs": {"lakefs-sdk"},
    "lifecycle": {"cronsim", "pyyaml"},
}
LISTED = """
import json
from importlib.metadata import distributions
print(json.dumps(sorted(one.metadata["Name"].lower().replace("_", "-") for one in distributions())))
"""

Environment = Callable[[tuple[str, ...]], Path]
FUNCTIONS = {one.slug: one for one in catalogue.functions()}


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The Python of a fresh environment with a group's packages, made once; from uv's cache in a second."""
    with missing():
        uv = program("uv", "make setup brings it", also_in=[ROOT / ".uv" / "bin"])
    made: dict[tuple[str, ...], Path] = {}

    def make(group: tuple[str, ...]) -> Path:
        if group not in made:
            folder = tmp_path_factory.mktemp("-".join(group)) / "venv"
            extras = [f"--extra={extra}" for extra in group]
            subprocess.run(
                [uv, "sync", "--quiet", "--frozen", "--no-default-groups", "--no-install-project", *extras],
                cwd=ROOT,
                env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder)},
                check=True,
                capture_output=True,
            )
            made[group] = folder / "bin" / "python"
        return made[group]

    return make


@pytest.mark.parametrize("image", groups(images()), ids=lambda one: "-".join(one.group))
def test_a_group_holds_the_clients_of_its_extras_and_no_others(image: Image, environment: Environment) -> None:
    said = subprocess.run([environment(image.group), "-c", LISTED], check=True, capture_output=True, text=True).stdout
    installed = set(json.loads(said))
    assert {"fastapi", "mangum", "pymysql", "uvicorn", "awslambdaric"} <= installed
    assert installed & CLIENTS == {client for extra in image.group for client in OF_EXTRAS.get(extra, ())}
    assert installed & NOBODYS == set()


def test_a_login_needs_no_store_and_no_sqlalchemy() -> None:
    assert FUNCTIONS["token"].extras == ()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_starts_with_what_its_image_holds(name: str, environment: Environment) -> None:
    function = FUNCTIONS[name]
    folder = fresh_folder("function")
    process = Process(
        name,
        [environment((*function.extras, "lambda")), "-P", "-m", "holdfast.web.container", function.name],
        folder,
        environment={"PYTHONPATH": str(ROOT / "functions"), "HOLDFAST_PORT": "0", "HOLDFAST_DATA": str(folder / "data")},
    )
    try:
        process.wait_until(lambda: " is ready: " in process.said())
        url = process.said().partition(" is ready: ")[2].split()[0]
        assert httpx.get(f"{url}/healthz", timeout=30).json() == {"status": "ok"}
        assert httpx.get(f"{url}/", timeout=30).json()["service"] == function.name
        assert httpx.get(f"{url}/readyz", timeout=60).status_code in (200, 503)  # not migrated; but what asks is there
        assert "ModuleNotFoundError" not in process.said(1000)
    finally:
        process.stop()
