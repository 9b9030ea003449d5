"""The signed ends of the chains: who sees them, and where else they go."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from sqlalchemy import update

from holdfast.audit import heads, sealing
from holdfast.audit.verify import verify
from holdfast.database.tables import leases
from holdfast.database.types import db_later
from holdfast.disagreement import Disagreement
from holdfast.web.logs import JsonFormatter
from tests.behaviour.moments import bearer
from tests.integration.audit.conftest import Trail
from tests.security.tenants import platform_admin
from tests.stacks import Stack

STACKS = pytest.mark.parametrize("stack", ["sqlite+folder+sql", "mariadb+seaweedfs+sql"], indirect=True)


@STACKS
def test_an_admin_sees_his_own_chains_and_a_platform_admin_all(stack: Stack) -> None:
    ada, eve = stack.user("ada"), stack.user("eve")
    with stack.client() as http:
        for one in (ada, eve):
            files = {"primary_file": ("a.txt", b"a")}
            assert http.post("/fileupload", files=files, headers=bearer(one.token)).status_code == 200
        assert http.get("/audit/head", headers=bearer(ada.token)).json() == {"items": [], "next_cursor": None}
        sealing.seal(stack.own)

        [head] = http.get("/audit/head", headers=bearer(ada.token)).json()["items"]
        assert (head["workspace"], head["chain"], head["number"], head["pruned"]) == (ada.branch, "acts", 1, 0)
        said = stack.own.signing.read("seal", head["signed"])
        assert said == {name: head[name] for name in ("workspace", "chain", "number", "hash")}
        foreign = http.get("/audit/head", headers=bearer(ada.token), params={"workspace": eve.branch})
        assert foreign.status_code == 403

        root = bearer(platform_admin(stack, "root").token)
        assert [one["workspace"] for one in http.get("/audit/head", headers=root).json()["items"]] == [ada.branch, eve.branch]
        assert len(http.get("/audit/head", headers=root, params={"workspace": eve.branch}).json()["items"]) == 1
        first = http.get("/audit/head", headers=root, params={"limit": 1})
        second = http.get("/audit/head", headers=root, params={"limit": 1, "cursor": first.json()["next_cursor"]}).json()
        assert [one["workspace"] for one in second["items"]] == [eve.branch]
        assert second["next_cursor"] is None
        kept = heads.kept(first.text)
    assert [one for one in verify(stack.own, kept) if isinstance(one, Disagreement)] == []


def test_they_are_logged_once_an_hour_and_the_log_is_one_to_verify_with(trail: Trail, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    trail.write("upload", "login")
    trail.seal()
    assert heads.log(trail.services) == 2
    assert heads.log(trail.another()) == 0
    [line] = [JsonFormatter().format(record) for record in caplog.records if record.message == "audit heads"]
    assert heads.kept(f"{line}\n{line}\n") == trail.heads() * 2
    assert trail.verify(*heads.kept(line)) == []

    trail.services.database.write(lambda c: c.execute(update(leases).values(expires_at=db_later(-1))))
    trail.now += timedelta(hours=3)
    assert heads.log(trail.services) == 0, "they have not moved since"


def test_what_holds_no_heads_is_told_from_what_does() -> None:
    assert heads.kept('[{"signed": "a"}]') == heads.kept('{"items": [{"signed": "a"}]}') == heads.kept('{"heads": ["a"]}') == ["a"]
    assert heads.kept('{"message": "else"}\n{"heads": ["a", "b"]}\n') == ["a", "b"]
    with pytest.raises(json.JSONDecodeError):
        heads.kept("no JSON")
