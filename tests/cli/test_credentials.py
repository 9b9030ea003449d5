from __future__ import annotations

import stat
from pathlib import Path

import pytest

from holdfast.cli import credentials
from holdfast.cli.credentials import Credentials
from holdfast.cli.failures import NOT_ALLOWED, Failure

ADA = Credentials("http://127.0.0.1:8000", "ada", "ada_space", "secret")


def test_what_is_saved_is_loaded_and_only_the_owner_may_read_it(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    place = credentials.save(ADA, environment)
    assert credentials.load(environment) == ADA
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [entry.name for entry in place.parent.iterdir()] == ["credentials.json"]


def test_a_token_goes_to_no_other_server(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    credentials.save(ADA, environment)
    assert credentials.load({**environment, "HOLDFAST_URL": "http://127.0.0.1:8000/"}) == ADA
    with pytest.raises(Failure, match=r"not at http://elsewhere") as caught:
        credentials.load({**environment, "HOLDFAST_URL": "http://elsewhere"})
    assert caught.value.code == NOT_ALLOWED


@pytest.mark.parametrize("kept", [None, "", "[]", '{"url": "x"}'])
def test_without_credentials_nobody_is_logged_in(kept: str | None, tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    if kept is not None:
        place = credentials.path(environment)
        place.parent.mkdir()
        place.write_text(kept)
    with pytest.raises(Failure, match="holdfast login") as caught:
        credentials.load(environment)
    assert caught.value.code == NOT_ALLOWED


def test_what_is_forgotten_can_be_forgotten_again(tmp_path: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    credentials.save(ADA, environment)
    credentials.forget(environment)
    credentials.forget(environment)
    assert not credentials.path(environment).exists()
