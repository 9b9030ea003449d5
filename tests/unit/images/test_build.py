"""Which images there are, what they are called, and what is built first."""

from __future__ import annotations

import pytest

from holdfast.web import catalogue
from images import build

EVERY = {image.name: image for image in build.images()}


def test_every_function_has_an_image_and_so_have_worker_and_operator() -> None:
    assert list(EVERY) == [*(one.slug for one in catalogue.functions()), "worker", "operator"]


def test_an_image_is_named_by_registry_name_and_tag() -> None:
    image = EVERY["add-associated-files"]
    assert image.reference("", "dev") == "holdfast/add-associated-files:dev"
    assert image.reference("registry.example:5000/", "1.2") == "registry.example:5000/holdfast/add-associated-files:1.2"
    assert dict(image.arguments) == {"FUNCTION": "add_associated_files"}


def test_a_name_that_no_image_has_is_refused_with_those_that_there_are() -> None:
    assert [image.name for image in build.chosen(["worker", "token"])] == ["worker", "token"]
    assert build.chosen([]) == build.images()
    with pytest.raises(ValueError, match=r"no image tokens; there are .*token"):
        build.chosen(["tokens"])


def test_what_a_group_shares_is_prepared_once() -> None:
    prepared = build.groups(build.images())
    assert {image.group for image in prepared} == {(*one.extras, "lambda") for one in catalogue.functions()}
    assert len(prepared) == len({image.group for image in prepared})
    assert build.groups([EVERY["worker"]]) == []


def test_a_function_alone_runs_on_lambda() -> None:
    assert {name for name, image in EVERY.items() if "lambda" not in image.group} == {"worker", "operator"}
    assert build.group_name(EVERY["token"].group) == "core"
    assert build.group_name(EVERY["fileupload"].group) == "core-sql-s3-lakefs"


class Recorded(build.Builder):
    """Builds nothing, and says what it was asked for."""

    def __init__(self, fails: str = "") -> None:
        super().__init__("buildah")
        self.commands: list[tuple[str, ...]] = []
        self._fails = fails

    def _run(self, *command: str) -> str:  # type: ignore[override]
        self.commands.append(command)
        if self._fails and self._fails in command:
            raise OSError(self._fails)
        return ""


def test_no_image_is_built_before_its_group_and_each_is_told() -> None:
    recorded, told = Recorded(), list[str]()
    build.build(build.chosen(["token", "jwks", "me", "operator"]), recorded, "r.example", "1", told.append, jobs=1)
    tags = [command[command.index("-t") + 1] for command in recorded.commands]
    assert tags[:4] == [
        "localhost/holdfast-group:core",
        "localhost/holdfast-endpoints:dev",
        "localhost/holdfast-group:core-sql",
        "localhost/holdfast-endpoints:dev",
    ]
    assert tags[4:] == [f"r.example/holdfast/{name}:1" for name in ("token", "jwks", "me", "operator")]
    assert told[0].startswith("[ 1/6] packages of core ")
    assert told[-1].startswith("[ 6/6] r.example/holdfast/operator:1 ")
    assert "--build-context=group=container-image://localhost/holdfast-group:core-sql" in recorded.commands[6]
    assert not any(part.startswith("--build-context") for part in recorded.commands[7])


def test_a_build_that_fails_ends_the_others() -> None:
    recorded = Recorded(fails="localhost/holdfast-group:core")
    with pytest.raises(OSError, match="holdfast-group:core"):
        build.build(build.chosen(["token", "me"]), recorded, "", "dev", print, jobs=1)
    assert len(recorded.commands) == 1
