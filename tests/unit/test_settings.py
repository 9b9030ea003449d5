from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from holdfast.cli.failures import USAGE, Failure
from holdfast.cli.installation import read_settings
from holdfast.database.url import parse
from holdfast.settings import Settings
from holdfast.web.ingest import HEARTBEAT_SECONDS


def test_a_password_of_its_own_is_put_into_the_databases_url_whatever_is_in_it() -> None:
    settings = Settings.model_validate(
        {"database_url": "mysql+pymysql://ada@db:3306/holdfast?a=b", "database_password": "p@ss:/%?"}
    )
    url = parse(settings.database)
    assert (url.user, url.password, url.host, url.port, url.database) == ("ada", "p@ss:/%?", "db", 3306, "holdfast")


@pytest.mark.parametrize("url", ["", "mysql+pymysql://db/holdfast", "mysql+pymysql://ada:known@db/holdfast"])
def test_a_password_that_has_no_place_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="names a user and no password"):
        Settings.model_validate({"database_url": url, "database_password": "secret"})


def test_what_is_wrong_is_named_without_what_was_given() -> None:
    with pytest.raises(ValidationError, match="database_pool") as refused:
        Settings.model_validate({"database_pool": "a secret in the wrong place", "database_password": "hunter2"})
    assert "secret" not in str(refused.value)
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate({"database_url": "mysql+pymysql://db/holdfast", "database_password": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_no_upload_is_given_up_between_two_of_its_heartbeats() -> None:
    least = int(3 * HEARTBEAT_SECONDS)
    assert Settings(intent_timeout_seconds=least).intent_timeout_seconds == least
    with pytest.raises(ValidationError, match="intent_timeout_seconds"):
        Settings(intent_timeout_seconds=least - 1)


def test_a_secrets_file_is_read_without_its_last_line_break(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("a secret\nof two lines\n\n")
    monkeypatch.setenv("HOLDFAST_TOKEN_SECRET_FILE", str(file))
    assert Settings().token_secret.get_secret_value() == "a secret\nof two lines\n"


def test_a_secret_in_the_environment_wins_over_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_text("of the file\n")
    monkeypatch.setenv("HOLDFAST_TOKEN_SECRET_FILE", str(file))
    monkeypatch.setenv("HOLDFAST_TOKEN_SECRET", "of the environment")
    assert Settings().token_secret.get_secret_value() == "of the environment"


def test_a_secrets_file_that_is_not_there_is_a_wrong_setting_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN_SECRET_FILE", str(tmp_path / "nope"))
    with pytest.raises(Failure) as refused:
        read_settings()
    assert refused.value.code == USAGE
    assert refused.value.message == f"HOLDFAST_TOKEN_SECRET_FILE: {tmp_path / 'nope'}: No such file or directory."


def test_what_is_in_a_secrets_file_that_is_no_text_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"hunter2\xff")
    monkeypatch.setenv("HOLDFAST_TOKEN_SECRET_FILE", str(file))
    with pytest.raises(Failure) as refused:
        read_settings()
    assert refused.value.code == USAGE
    assert refused.value.message == f"HOLDFAST_TOKEN_SECRET_FILE: {file} is no text in UTF-8."
