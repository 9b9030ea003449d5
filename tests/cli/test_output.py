from __future__ import annotations

import json

import pytest
import yaml

from holdfast.cli.output import Format, answer, listing, printable, size


def test_sizes_are_in_binary_units() -> None:
    assert [size(n) for n in (0, 1023, 1536, 5 * 2**20, 2**40)] == ["0 B", "1023 B", "1.5 KiB", "5.0 MiB", "1.0 TiB"]


def test_what_could_steer_the_terminal_is_shown_as_an_escape() -> None:
    assert printable("a\x1b[2Jb\r\n é") == "a\\x1b[2Jb\\r\\n é"


def test_a_hostile_name_reaches_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    listing([{"asset_path": "\x1b]0;owned\x07[red]x"}], ["asset_path"], Format.table)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "[red]x" in said


@pytest.mark.parametrize("items", [[], [{"a": 1}], [{"a": "é", "b": [["x", "y"]]}, {"a": None}]])
def test_a_listing_parses_whatever_its_length(items: list[dict[str, object]], capsys: pytest.CaptureFixture[str]) -> None:
    listing(iter(items), ["a"], Format.json)
    assert json.loads(capsys.readouterr().out) == items
    listing(iter(items), ["a"], Format.yaml)
    assert yaml.safe_load(capsys.readouterr().out) == items


def test_an_answer_as_a_table_leaves_out_what_is_not_set(capsys: pytest.CaptureFixture[str]) -> None:
    answer({"size": 2048, "phase": None, "labels": {"k": "v"}, "associated_filenames": [["a.txt", "id"]]}, Format.table)
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert [[name, value.strip()] for name, value in rows] == [
        ["size", "2.0 KiB"],
        ["labels", "k=v"],
        ["associated_filenames", "a.txt"],
    ]
