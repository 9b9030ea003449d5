"""Resumable uploads under a malware scanner."""

from __future__ import annotations

import pytest
from tests.behaviour.erased import disagreements
from tests.behaviour.moments import bearer
from tests.behaviour.test_quarantine import admin, bytes_of, listed, run_jobs, scanned
from tests.security.tenants import in_chunks
from tests.servers.clamd import MALWARE, Clamd
from tests.stacks import SQL, SQLITE, Stack
from tests.waiting import until


@pytest.mark.parametrize("stack", [SQLITE, SQL], indirect=True)
def test_a_session_that_is_infected_is_quarantined(stack: Stack, clamd: Clamd) -> None:
    ada = stack.user("ada")
    with scanned(stack, ada, clamd) as http:
        assert in_chunks(http, bearer(ada.token), b"harmless").status_code == 200
        refused = in_chunks(http, bearer(ada.token), MALWARE)
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (422, "infected")
        [one] = listed(stack)
        run_jobs(stack)
        assert len(bytes_of(stack)) == 2
        assert disagreements(stack) == []
        with admin(stack) as by:
            assert by.post(f"/admin/quarantine/{one['upload_id']}/release").status_code == 200
        until(lambda: len(http.get("/assets").json()["items"]) == 2)
        by_id = {one["id"]: one for one in http.get("/api/v1/file/all").json()["data"]}
        found = by_id.pop(one["upload_id"])
        assert (found["status"], found["scan_result"]) == ("SUCCESS", "infected")
        assert [clean["scan_result"] for clean in by_id.values()] == ["clean"]
        second = in_chunks(http, bearer(ada.token), b"again" + MALWARE)
        assert (second.status_code, second.json()["success"]) == (422, False)
        [other] = [found for found in listed(stack) if found["upload_id"] != one["upload_id"]]
        with admin(stack) as by:
            assert by.request("DELETE", f"/admin/quarantine/{other['upload_id']}").status_code == 200
        run_jobs(stack)
        assert len(bytes_of(stack)) == 2
        assert disagreements(stack) == []


HEALTH = "/api/v1/file/virus-scanner/health"


@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_whoever_may_list_is_told_how_the_scanner_is(stack: Stack, own_clamd: Clamd) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        assert http.get(HEALTH).json()["data"] == {"status": "disabled", "enabled": False, "scanner": None}
    with scanned(stack, ada, own_clamd) as http:
        said = http.get(HEALTH)
        assert said.status_code == 200
        assert said.json()["data"]["status"] == "healthy"
        assert said.json()["data"]["scanner"].startswith("ClamAV ")
        own_clamd.stop()
        away = http.get(HEALTH)
        assert (away.status_code, away.json()["success"]) == (503, False)
        assert away.json()["type"].rpartition("/")[2] == "scanner-unavailable"
