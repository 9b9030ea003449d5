"""Images as they are built: what is in them, whose they are, and that they run."""

from __future__ import annotations

import json
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import httpx
import pytest
from images.build import Builder, bill, build, builder, chosen
from tests.images.running import run
from tests.servers.process import ServerMissingError, free_ports
from tests.servers.required import missing

TAG = "test"
NAMES = ["token", "jwks", "operator"]
PLACES = ["usr/lib", "usr/local/lib"]
"""Where Python's own library may be."""

pytestmark = [pytest.mark.xdist_group("kubernetes"), pytest.mark.timeout(900)]  # two builds at once disturb one another


class Built:
    """The images of NAMES, with what is in them."""

    def __init__(self, with_: Builder, folder: Path) -> None:
        self.builder, self.folder = with_, folder
        build(chosen(NAMES), with_, "", TAG, print)
        for name in NAMES:
            with with_.files(self.reference(name)) as copy:
                copy("/opt/holdfast", folder / name)
                for place in PLACES:
                    copy(f"/{place}", folder / "python" / name / place)

    def reference(self, name: str) -> str:
        return f"holdfast/{name}:{TAG}"

    def library(self, name: str) -> Path:
        [library] = (self.folder / name / "lib").glob("python*/site-packages")
        return library

    def described(self, name: str) -> dict[str, Any]:
        """Its configuration and layers, as OCI has them."""
        if self.builder.program == "docker":
            [said] = json.loads(self._said("docker", "image", "inspect", self.reference(name)))
            return {"config": said["Config"], "layers": said["RootFS"]["Layers"]}
        said = json.loads(self._said("buildah", "inspect", "--type", "image", self.reference(name)))["OCIv1"]
        return {"config": said["config"], "layers": said["rootfs"]["diff_ids"]}

    @staticmethod
    def _said(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    with missing():
        try:
            with_ = builder()
        except LookupError as error:
            raise ServerMissingError(str(error)) from error
    return Built(with_, tmp_path_factory.mktemp("images"))


def installed(library: Path) -> set[tuple[str, str]]:
    """Name, as package indexes spell it, and version."""
    return {(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version) for one in distributions(path=[str(library)])}


def test_an_image_holds_its_function_and_no_client_of_others(built: Built) -> None:
    library = built.library("token")
    assert {one.name for one in (library / "endpoints").iterdir()} == {"__init__.py", "__pycache__", "token"}
    assert (library / "holdfast" / "identity" / "login.py").exists()
    assert (library / "holdfast" / "database" / "migrations" / "script.py.mako").exists()
    assert not (library / "holdfast_operator").exists()
    names = {name for name, _ in installed(library)}
    assert {"fastapi", "mangum", "awslambdaric", "pymysql"} <= names
    assert names & {"boto3", "botocore", "lakefs-sdk", "qdrant-client", "sqlalchemy", "kopf", "kubernetes", "uv", "pip"} == set()
    assert not (library / "pydantic" / "v1").exists()


def not_compiled(library: Path, *packages: str) -> list[Path]:
    """Sources of these packages of which a start would compile what it imports."""
    sources = [path for one in packages for path in (library / one).rglob("*.py") if "/tests/" not in str(path)]
    assert len(sources) > 100
    compiled = {one.parent.parent / f"{one.name.partition('.')[0]}.py" for one in library.rglob("__pycache__/*.pyc")}
    return [one for one in sources if one not in compiled]


def test_all_of_it_is_compiled(built: Built) -> None:
    for name in NAMES:
        assert not_compiled(built.library(name), "endpoints", "fastapi", "holdfast", "pydantic") == []
        [standard] = (one.parent for one in (built.folder / "python" / name).glob("usr/**/python3.*/asyncio"))
        assert not_compiled(standard, "asyncio", "email", "http", "importlib", "json", "logging", "urllib") == []


def test_it_belongs_to_root_and_runs_as_nobody_that_could_change_it(built: Built) -> None:
    for name in NAMES:
        config = built.described(name)["config"]
        assert config["User"] == "65532:65532"
        assert config["StopSignal"] == "SIGTERM"
        writable = [one for one in (built.folder / name).rglob("*") if not one.is_symlink() and one.stat().st_mode & 0o022]
        assert writable == []


def test_it_says_what_it_is(built: Built) -> None:
    config = built.described("jwks")["config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == "holdfast jwks"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["version"] == "0.1.0"
    assert labels["source"]
    assert re.match(r"[0-9a-f]{40}", labels["revision"])
    assert "HOLDFAST_FUNCTION=jwks" in config["Env"]
    assert "HOLDFAST_HOST=0.0.0.0" in config["Env"]
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert config["Cmd"] == ["python", "-m", "holdfast.web.container"]


def test_two_functions_of_a_group_differ_in_their_last_layer_only(built: Built) -> None:
    one, other, program = (built.described(name)["layers"] for name in NAMES)
    shared = [layer for layer in one if layer in other]
    assert one[: len(shared)] == other[: len(shared)] == shared
    assert len(one) - len(shared) == len(other) - len(shared) == 1
    # Python, and that it has no pip: what the program's images have in common with the functions'.
    assert len([layer for layer in program if layer in shared]) >= 2


def test_its_bill_of_materials_lists_exactly_what_is_installed(built: Built, tmp_path: Path) -> None:
    [image] = chosen(["token"])
    file = bill(image, built.builder, built.reference("token"), tmp_path)
    assert file == tmp_path / "core.cdx.json"
    document = json.loads(file.read_text())
    assert (document["bomFormat"], document["metadata"]["component"]["name"]) == ("CycloneDX", "holdfast")
    listed = {(re.sub(r"[-_.]+", "-", one["name"]).lower(), one["version"]) for one in document["components"]}
    assert listed == installed(built.library("token"))
    assert [one["name"] for one in document["components"] if not one.get("licenses")] == []
    assert list(tmp_path.glob(".*")) == []


def test_it_runs_on_the_images_own_python_as_its_user(built: Built) -> None:
    [port] = free_ports(1)
    given = [f"HOLDFAST_PORT={port}", "HOLDFAST_HOST=127.0.0.1"]
    process = run(built.builder, built.reference("jwks"), "env", *given, "python", "-m", "holdfast.web.container")
    try:
        process.wait_until(lambda: " is ready: " in process.said())
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/healthz", timeout=30).json() == {"status": "ok"}
        assert httpx.get(f"{url}/", timeout=30).json()["service"] == "jwks"
        assert 'python_info{implementation="CPython",major="3",minor="13"' in httpx.get(f"{url}/metrics", timeout=30).text
    finally:
        process.stop()


def test_nothing_can_be_written_but_temporary_files_and_no_installer_is_left(built: Built) -> None:
    looked = "id -u; find / -xdev -type d -writable -not -path '/proc*' -not -path '/sys*' -not -path '/dev*' 2>/dev/null | sort"
    process = run(
        built.builder,
        built.reference("token"),
        "sh",
        "-c",
        f"{looked}; python -c 'import pip' 2>&1; command -v pip uv; echo looked",
    )
    try:
        process.wait_until(lambda: "looked" in process.said())
        said = process.said().splitlines()
    finally:
        process.stop()
    assert said[0] == "65532"
    assert set(said[1:]) & {"/tmp", "/opt", "/opt/holdfast"} == {"/tmp"}
    assert {line for line in said if line.startswith("/")} <= {"/tmp", "/var/tmp", "/run/lock"}
    assert "ModuleNotFoundError: No module named 'pip'" in said
    assert said[-1] == "looked"
