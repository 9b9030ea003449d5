"""What holds for every command, also where there is no server."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
import yaml

from holdfast import __version__
from tests.cli.conftest import Served
from tests.cli.program import Program


@pytest.fixture
def holdfast(tmp_path: Path) -> Program:
    return Program(tmp_path, tmp_path)


def test_it_says_its_version(holdfast: Program) -> None:
    assert holdfast("--version").stdout == f"{__version__}\n"


def test_an_unknown_command_is_a_usage_error(holdfast: Program) -> None:
    ended = holdfast("upload-everything", code=2)
    assert "No such command" in ended.stderr
    assert ended.stdout == ""


def test_settings_as_json_and_yaml_are_the_same(holdfast: Program) -> None:
    as_json = json.loads(holdfast("settings", "-o", "json").stdout)
    assert as_json == yaml.safe_load(holdfast("settings", "-o", "yaml").stdout)
    assert {"variable": "HOLDFAST_LINK_MINUTES", "type": "number", "default": "20"}.items() <= as_json[
        [one["variable"] for one in as_json].index("HOLDFAST_LINK_MINUTES")
    ].items()


def test_a_table_in_a_pipe_is_not_cut_off(holdfast: Program) -> None:
    [line] = [line for line in holdfast("settings").stdout.splitlines() if line.startswith("HOLDFAST_DATABASE_URL")]
    assert line.rstrip().endswith("Empty: an SQLite file under `data`.")


def test_migrate_brings_a_database_from_nothing_and_is_done_the_second_time(holdfast: Program) -> None:
    assert "was brought to revision" in holdfast("migrate").stderr
    assert (holdfast.cwd / "data" / "holdfast.db").is_file()
    assert "is at revision" in holdfast("migrate").stderr


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ({"HOLDFAST_LINK_MINUTES": "soon"}, 2),
        ({"HOLDFAST_DATABASE_URL": "nothing"}, 2),
        ({"HOLDFAST_DATABASE_URL": "mysql+pymysql://nobody@127.0.0.1:1/nothing"}, 6),
    ],
)
def test_wrong_settings_are_one_clear_line(setting: dict[str, str], code: int, tmp_path: Path) -> None:
    ended = Program(tmp_path, tmp_path, setting)("migrate", code=code)
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert line.startswith("holdfast: ")


def test_openapi_is_the_document_that_the_server_serves(holdfast: Program, served: Served) -> None:
    printed = json.loads(holdfast("openapi").stdout)
    assert printed["openapi"].startswith("3.")
    with urllib.request.urlopen(f"{served.url}/openapi.json") as reply:
        assert json.load(reply) == printed
