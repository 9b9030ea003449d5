"""Each function in an environment that holds what its image holds, and nothing else: from the lock, by its group of extras."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from images.build import ROOT, Image, bill_of, bills, group_name, groups, images
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
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
    "cli": {"pyyaml"},
    "operator": {"cronsim", "pyyaml"},
}
LISTED = """
import json
from importlib.metadata import distributions
print(json.dumps(sorted(one.metadata["Name"].lower().replace("_", "-") for one in distributions())))
"""

Environment = Callable[[tuple[str, ...]], Path]
FUNCTIONS = {one.slug: one for one in catalogue.functions()}


@pytest.fixture(scope="session")
def uv() -> Path:
    with missing():
        return program("uv", "make setup brings it", also_in=[ROOT / ".uv" / "bin"])


@pytest.fixture(scope="session")
def environment(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The Python of a fresh environment with a group's packages, made once; from uv's cache in a second."""
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


def site_packages(python: Path) -> Path:
    [library] = python.parents[1].glob("lib/python*/site-packages")
    return library


def locked(uv: Path, group: tuple[str, ...]) -> set[tuple[str, str]]:
    """Name and version of each package that the lock has for a group: what an image installs (images/*.Dockerfile)."""
    extras = [f"--extra={extra}" for extra in group]
    options = ["--quiet", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate", "--no-hashes"]
    said = subprocess.run([uv, "export", *options, *extras], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    wanted = [Requirement(line) for line in said.splitlines()]
    return {(canonicalize_name(one.name), str(one.specifier)[2:]) for one in wanted if not one.marker or one.marker.evaluate()}


@pytest.mark.parametrize("image", bills(images()), ids=lambda one: group_name(one.group))
def test_a_bill_of_materials_is_what_the_lock_has_for_its_group(
    image: Image, environment: Environment, uv: Path, tmp_path: Path
) -> None:
    """The one of an image is read from the image in the same way (test_images.py)."""
    file = bill_of(site_packages(environment(image.group)), image.group, tmp_path)
    assert file == tmp_path / f"{group_name(image.group)}.cdx.json"
    document = json.loads(file.read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    listed = {(canonicalize_name(one["name"]), one["version"]) for one in document["components"]}
    assert len(listed) == len(document["components"]) > 10
    assert listed == locked(uv, image.group)
    assert {name for name, _ in listed} & CLIENTS == {client for extra in image.group for client in OF_EXTRAS.get(extra, ())}
    assert [one["name"] for one in document["components"] if not one.get("licenses") or not one.get("purl")] == []


def test_a_bill_of_materials_is_valid(environment: Environment, tmp_path: Path) -> None:
    group = (*FUNCTIONS["token"].extras, "lambda")
    file = bill_of(site_packages(environment(group)), group, tmp_path)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text()) is None


def test_every_set_of_packages_has_a_bill_of_materials_of_its_own() -> None:
    made = bills(images())
    assert {one.group for one in made} == {one.group for one in images()}
    assert len({group_name(one.group) for one in made}) == len(made)


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
