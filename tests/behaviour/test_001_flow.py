"""What the documents of references 001 and 003 show works here as it is written, in their order: the same paths, forms and fields,
over a socket, as the frontend of 001 sends them."""

from __future__ import annotations

import json
import random
from hashlib import sha256
from typing import Any

import httpx
import pytest
from tests.behaviour.readme_000 import admin, bearer, log_in
from tests.behaviour.test_000_flow import listening
from tests.stacks import Stack

from holdfast.storage.objects import StoreUnavailable

API = "/api/v1/file"
CHUNK = 100_000
CONTENT = random.Random(1).randbytes(3 * CHUNK + 17)
FIELDS = {"id", "path", "filename", "size", "content_type", "detail", "credential", "download_url"}
"""001's; ours may be more."""
CREDENTIAL = {"room": "secret", "floor": "4"}


def data_of(reply: httpx.Response) -> Any:
    """What a good reply of 001 holds."""
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["success"] is True
    assert set(body) >= {"data", "message"}
    return body["data"]


def refused(reply: httpx.Response) -> int:
    """The status of a bad one, which has 001's envelope, and the problem's fields."""
    body = reply.json()
    assert body["success"] is False
    assert set(body) >= {"errors", "message", "type", "title", "status", "detail"}
    assert body["status"] == reply.status_code
    return reply.status_code


def init(http: httpx.Client, who: dict[str, str]) -> str:
    """Phase 1 of 001's frontend: ``const { chunk_size, upload_id } = initResponse.data``."""
    begun = data_of(http.post(f"{API}/upload/init/", headers=who))
    assert begun["chunk_size"] == CHUNK
    upload_id: str = begun["upload_id"]
    return upload_id


def chunk(http: httpx.Client, who: dict[str, str], upload_id: str, index: int, **fields: str) -> httpx.Response:
    piece = CONTENT[index * CHUNK : (index + 1) * CHUNK]
    form = {"upload_id": upload_id, "chunk_index": str(index), "chunk_size": str(CHUNK), **fields}
    return http.post(f"{API}/upload/chunk/", headers=who, data=form, files={"file": ("blob", piece, "application/octet-stream")})


def chunks(http: httpx.Client, who: dict[str, str], upload_id: str, *indexes: int) -> None:
    """Phase 2."""
    for index in indexes:
        assert data_of(chunk(http, who, upload_id, index)) == {"chunk_index": index, "upload_id": upload_id}


def complete(http: httpx.Client, who: dict[str, str], upload_id: str, **fields: str) -> httpx.Response:
    """Phase 3."""
    form = {
        "upload_id": upload_id,
        "total_chunks": "4",
        "total_size": str(len(CONTENT)),
        "file_extension": "bin",
        "content_type": "application/octet-stream",
        **fields,
    }
    return http.post(f"{API}/upload/complete/", headers=who, data=form)


def uploaded(http: httpx.Client, who: dict[str, str], **fields: str) -> Any:
    upload_id = init(http, who)
    chunks(http, who, upload_id, 0, 1, 2, 3)
    return data_of(complete(http, who, upload_id, **fields))


def downloaded(url: str) -> bytes:
    """Without any credentials, as a browser follows a link."""
    reply = httpx.get(url, follow_redirects=True, trust_env=False)
    assert reply.status_code == 200, reply.text
    return reply.content


@pytest.mark.parametrize("disabled", [False, True], ids=["with a token", "where authentication is disabled"])
def test_a_public_file_from_init_to_delete(stack: Stack, disabled: bool) -> None:
    services = stack.services(upload_chunk=CHUNK, auth_disabled=disabled)
    assert (services.anybody is not None) is disabled  # as ``serve`` asks for it
    with listening(stack, services) as http:
        who = {} if disabled else admin(http)
        upload_id = init(http, who)
        assert data_of(http.get(f"{API}/status/{upload_id}", headers=who))["status"] == "PENDING"
        chunks(http, who, upload_id, 3, 1)
        missing = complete(http, who, upload_id)
        assert (refused(missing), missing.json()["missing"]) == (409, [0, 2])
        assert refused(chunk(http, who, upload_id, 0, chunk_sha256="0" * 64)) == 422
        chunks(http, who, upload_id, 0, 2, 1)  # the last one again
        assert refused(complete(http, who, upload_id, total_size="5")) == 422
        said = {"detail": '{"scene": 7}', "filename": "film.bin", "appointment_id": "4711", "user_id": "12"}
        file = data_of(complete(http, who, upload_id, **said, sha256=sha256(CONTENT).hexdigest()))
        assert set(file) >= FIELDS
        assert {name: file[name] for name in ("filename", "size", "content_type", "detail", "credential")} == {
            "filename": "film.bin",
            "size": len(CONTENT),
            "content_type": "application/octet-stream",
            "detail": {"scene": 7},
            "credential": False,
        }
        assert data_of(complete(http, who, upload_id, **said))["version_id"] == file["version_id"]
        assert refused(chunk(http, who, upload_id, 0)) == 409
        assert refused(http.post(f"{API}/upload/retry", headers=who, data={"file_id": file["id"]})) == 400
        assert data_of(http.get(f"{API}/status/{file['id']}", headers=who)) == {"status": "SUCCESS"}
        found = data_of(http.get(f"{API}/get/{file['id']}", headers=who))
        assert {name: found[name] for name in FIELDS} == {name: file[name] for name in FIELDS}
        assert downloaded(file["download_url"]) == downloaded(found["download_url"]) == CONTENT
        assert [one["id"] for one in data_of(http.get(f"{API}/all", headers=who))] == [file["id"]]
        assert [one["id"] for one in data_of(http.get(f"{API}/appointment/4711", headers=who))] == [file["id"]]
        assert data_of(http.delete(f"{API}/{file['id']}", headers=who)) is None
        assert httpx.get(file["download_url"], follow_redirects=True, trust_env=False).status_code == 410
        assert data_of(http.get(f"{API}/all", headers=who)) == data_of(http.get(f"{API}/appointment/4711", headers=who)) == []
        assert data_of(http.get(f"{API}/get/{file['id']}", headers=who))["download_url"] is None
        assert refused(http.get(f"{API}/get/{'0' * 32}", headers=who)) == 404
        assert refused(http.get(f"{API}/status/{'0' * 32}", headers=who)) == 404


def test_a_private_file_needs_its_credential(stack: Stack) -> None:
    with listening(stack, stack.services(upload_chunk=CHUNK)) as http:
        who = admin(http)
        file = uploaded(http, who, credential=json.dumps(CREDENTIAL))
        assert file["credential"] is True
        for way in (f"{API}/get/{file['id']}", f"{API}/status/{file['id']}"):
            assert refused(http.get(way, headers=who)) == 403
            assert refused(http.get(way, headers=who, params={**CREDENTIAL, "floor": "5"})) == 403
            data_of(http.get(way, headers=who, params=CREDENTIAL))
            data_of(http.get(way, headers={**who, "X-File-Credential": json.dumps(CREDENTIAL)}))
        found = data_of(http.get(f"{API}/get/{file['id']}", headers=who, params=CREDENTIAL))
        assert downloaded(found["download_url"]) == downloaded(file["download_url"]) == CONTENT
        assert "secret" not in json.dumps([file, found, data_of(http.get(f"{API}/all", headers=who))])
        assert [one["download_url"] for one in data_of(http.get(f"{API}/all", headers=who))] == [None]
        assert refused(http.delete(f"{API}/{file['id']}", headers=who)) == 403
        assert refused(http.post(f"{API}/upload/retry", headers=who, data={"file_id": file["id"]})) == 403
        assert data_of(http.delete(f"{API}/{file['id']}", headers=who, params=CREDENTIAL)) is None


def test_a_file_that_could_not_be_stored_is_retried(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    services = stack.services(upload_chunk=CHUNK)
    with listening(stack, services) as http:
        who = admin(http)
        upload_id = init(http, who)
        assert refused(http.post(f"{API}/upload/retry", headers=who, data={"file_id": upload_id})) == 409
        chunks(http, who, upload_id, 0, 1, 2, 3)

        def away(*_: object) -> None:
            raise StoreUnavailable

        with monkeypatch.context() as patched:
            patched.setattr(services.objects, "writer", away)
            assert data_of(complete(http, who, upload_id))["status"] == "STARTED"
            assert data_of(http.get(f"{API}/status/{upload_id}", headers=who))["status"] == "STARTED"
        file = data_of(http.post(f"{API}/upload/retry", headers=who, data={"file_id": upload_id}))
        assert file["status"] == "SUCCESS"
        assert downloaded(file["download_url"]) == CONTENT


def test_users_and_appointments_have_their_files_and_the_scanner_says_how_it_is(stack: Stack) -> None:
    with listening(stack, stack.services(upload_chunk=CHUNK)) as http:
        who = admin(http)
        for name, group, user in (("a", "1", "7"), ("b", "1", "8"), ("c", "2", "7")):
            uploaded(http, who, filename=f"{name}.bin", appointment_id=group, user_id=user)

        def names(**query: str) -> list[str]:
            return [one["filename"] for one in data_of(http.get(f"{API}/all", headers=who, params=query))]

        def groups(**query: str) -> dict[str, int]:
            found = data_of(http.get(f"{API}/appointments", headers=who, params=query))
            return {one["appointment_id"]: one["files"] for one in found}

        assert (names(), names(user_id="7")) == (["c.bin", "b.bin", "a.bin"], ["c.bin", "a.bin"])
        assert (groups(), groups(user_id="8")) == ({"2": 1, "1": 2}, {"1": 1})
        shared = {"username": "reader", "password": "reader_password", "permissions": ["list"]}
        assert http.post("/shared-users", headers=who, json=shared).status_code == 200
        reader = bearer(log_in(http, "reader", "reader_password")["access_token"])
        assert len(data_of(http.get(f"{API}/appointment/1", headers=reader))) == 2
        assert refused(http.delete(f"{API}/appointment/1", headers=reader)) == 403
        assert refused(http.get(f"{API}/all")) == 401
        assert data_of(http.delete(f"{API}/appointment/1", headers=who)) == {"deleted": 2, "left": []}
        assert data_of(http.get(f"{API}/appointment/1", headers=who)) == []
        assert (names(), groups()) == (["c.bin"], {"2": 1})
        assert data_of(http.delete(f"{API}/appointment/1", headers=who)) == {"deleted": 0, "left": []}
        health = data_of(http.get(f"{API}/virus-scanner/health", headers=reader))
        assert health == {"status": "disabled", "enabled": False, "scanner": None}
