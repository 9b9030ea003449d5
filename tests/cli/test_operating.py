"""What an operator runs on an installation: reconcile and verify."""

from __future__ import annotations

import json

from holdfast.services import Services
from holdfast.settings import Settings
from tests.cli.program import Program


def test_verify_of_what_agrees_prints_nothing_to_standard_output(holdfast: Program) -> None:
    for arguments in ([], ["--deep"]):
        ended = holdfast("verify", *arguments, "-o", "json")
        assert json.loads(ended.stdout) == []
        assert "nothing disagrees" in ended.stderr


def test_verify_names_what_disagrees_and_ends_with_1(holdfast: Program) -> None:
    services = Services(Settings(data=holdfast.cwd / "data"))
    writer = services.objects.writer("data/nobodys/0", "text/plain")
    writer.feed(b"stray")
    writer.finish()
    services.close()
    ended = holdfast("verify", "-o", "json", code=1)
    [found] = json.loads(ended.stdout)
    assert (found["problem"], found["subject"]) == ("orphan", "data/nobodys/0")
    assert "1 disagreements" in ended.stderr


def test_the_folder_can_be_named_instead_of_set(holdfast: Program) -> None:
    elsewhere = holdfast.cwd / "elsewhere"
    holdfast("migrate", "--data", elsewhere)
    assert (elsewhere / "holdfast.db").is_file()
    holdfast("verify", "--data", elsewhere)


def test_reconcile_with_nothing_to_do_says_so(holdfast: Program) -> None:
    assert "given up: 0" in holdfast("reconcile").stderr
