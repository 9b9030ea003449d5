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
        assert by_id[one["upload_id"]]["status"] == "SUCCESS"
        second = in_chunks(http, bearer(ada.token), b"again" + MALWARE)
        assert (second.status_code, second.json()["success"]) == (422, False)
        [other] = [found for found in listed(stack) if found["upload_id"] != one["upload_id"]]
        with admin(stack) as by:
            assert by.request("DELETE", f"/admin/quarantine/{other['upload_id']}").status_code == 200
        run_jobs(stack)
        assert len(bytes_of(stack)) == 2
        assert disagreements(stack) == []
