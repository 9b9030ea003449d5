"""Functions behind AWS's gateways: processes as their images start them, under a Runtime API, with the events of the gateways."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from tests.servers.process import fresh_folder
from tests.stacks import SQLITE, Stack, User
from tests.standin.gateways import CLIENT, GATEWAYS, Gateway, content, header, http_api, rest_api
from tests.standin.runtime import FunctionError, running

pytestmark = pytest.mark.parametrize("stack", [SQLITE], indirect=True)

WITH_EACH = pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda one: one.__name__)
BINARY = bytes(range(256)) * 64
PROBLEM = "application/problem+json"


def environment(stack: Stack, **more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **{f"HOLDFAST_{name.upper()}": str(value) for name, value in stack.values.items()}, **more}


def bearer(user: User) -> tuple[str, str]:
    return "authorization", f"Bearer {user.token}"


def multipart(name: str, data: bytes) -> tuple[tuple[str, str], bytes]:
    """The header and the body with which httpx uploads a file."""
    request = httpx.Request("POST", "http://x/", files={"primary_file": (name, data)})
    return ("content-type", request.headers["content-type"]), request.read()


@WITH_EACH
def test_a_login_is_answered_and_so_are_all_that_follow_by_the_same_process(stack: Stack, gateway: Gateway, tmp_path: Path) -> None:
    with stack.client() as http:
        assert http.post("/users", json={"username": "ada", "password": "a long password"}).status_code == 200
    form = ("content-type", "application/x-www-form-urlencoded")
    with running("token", environment(stack), tmp_path / "log") as runtime:
        for password, status in (("a long password", 200), ("a wrong password", 401), ("a long password", 200)):
            body = urlencode({"username": "ada", "password": password}).encode()
            reply = runtime.invoke(gateway("POST", "/token", headers=[form], body=body))
            assert reply["statusCode"] == status
            assert not reply["isBase64Encoded"]
            said = json.loads(reply["body"])
            if status == 200:
                assert (said["username"], said["branch"]) == ("ada", "ada_space")
                assert header(reply, "content-type") == "application/json"
                assert header(reply, "cache-control") == "no-store"
            else:
                assert header(reply, "content-type") == PROBLEM
                assert said["status"] == 401
        # One app for all of them, and with it the clients that it made.
        metrics = content(runtime.invoke(gateway("GET", "/metrics"))).decode()
        counted = [line for line in metrics.splitlines() if line.startswith("holdfast_http_requests_total{") and '"/token"' in line]
        assert sum(float(line.rpartition(" ")[2]) for line in counted) == 3, metrics
        assert json.loads(runtime.invoke(gateway("GET", "/readyz"))["body"]) == {"status": "ok"}


@WITH_EACH
def test_a_parameter_that_is_repeated_and_one_with_odd_characters_arrive(stack: Stack, gateway: Gateway, tmp_path: Path) -> None:
    ada = stack.user("ada")
    labels = json.dumps({"project": "Größe & Co=1"})
    with stack.client(ada) as http:
        for name in ("a.txt", "b.txt"):
            done = http.post("/fileupload", files={"primary_file": (name, name.encode())}, data={"labels": labels})
            assert done.status_code == 200
        path = http.get("/assets").json()["items"][0]
        assert http.post(f"/filearchive/{path['asset_path']}/{path['version_id']}").status_code == 200
    with running("assets", environment(stack), tmp_path / "log") as runtime:

        def listed(*query: tuple[str, str]) -> int:
            reply = runtime.invoke(gateway("GET", "/assets", query=query, headers=[bearer(ada)]))
            assert reply["statusCode"] == 200, reply
            return len(json.loads(reply["body"])["items"])

        assert listed() == 1
        assert listed(("status", "active"), ("status", "archived")) == 2
        assert listed(("status", "active"), ("status", "archived"), ("label", "project=Größe & Co=1")) == 2
        assert listed(("label", "project=Größe")) == 0


@WITH_EACH
def test_an_upload_is_stored_as_it_was_sent(stack: Stack, gateway: Gateway, tmp_path: Path) -> None:
    ada = stack.user("ada")
    kind, body = multipart("noise.bin", BINARY)
    event = gateway("POST", "/fileupload", headers=[bearer(ada), kind], body=body)
    assert event["isBase64Encoded"]
    with running("fileupload", environment(stack), tmp_path / "log") as runtime:
        reply = runtime.invoke(event)
    assert reply["statusCode"] == 200, reply
    stored = json.loads(reply["body"])
    with stack.client(ada) as http:
        version = f"{stored['asset_path']}/{stored['version_id']}"
        link = http.get(f"/filedownload/{version}").json()["primary_file"]["url"]
        assert http.get(link).content == BINARY


@WITH_EACH
def test_a_download_comes_whole(stack: Stack, gateway: Gateway, tmp_path: Path) -> None:
    ada = stack.user("ada")
    with stack.client(ada) as http:
        stored = http.post("/fileupload", files={"primary_file": ("noise.bin", BINARY)}).json()
        link = urlsplit(http.get(f"/filedownload/{stored['asset_path']}/{stored['version_id']}").json()["primary_file"]["url"])
    with running("content", environment(stack), tmp_path / "log") as runtime:
        reply = runtime.invoke(gateway("GET", link.path, query=parse_qsl(link.query)))
        assert (reply["statusCode"], reply["isBase64Encoded"]) == (200, True)
        assert content(reply) == BINARY
        part = runtime.invoke(gateway("GET", link.path, query=parse_qsl(link.query), headers=[("range", "bytes=1-4")]))
        assert (part["statusCode"], content(part)) == (206, BINARY[1:5])
        assert header(part, "content-range") == f"bytes 1-4/{len(BINARY)}"


@WITH_EACH
def test_a_path_that_is_not_its_own_is_a_problem(stack: Stack, gateway: Gateway, tmp_path: Path) -> None:
    with running("me", environment(stack), tmp_path / "log") as runtime:
        foreign = runtime.invoke(gateway("GET", "/assets", headers=[bearer(stack.user("ada"))]))
        assert (foreign["statusCode"], header(foreign, "content-type")) == (404, PROBLEM)
        nobody = runtime.invoke(gateway("GET", "/me"))
        assert (nobody["statusCode"], json.loads(nobody["body"])["status"]) == (401, 401)
        assert header(nobody, "www-authenticate").startswith("Bearer")


def test_cookies_and_headers_that_are_repeated_harm_nothing(stack: Stack, tmp_path: Path) -> None:
    """We set no cookie and want none, but browsers send what other programs of the host have set."""
    ada = stack.user("ada")
    repeated = [("x-request-id", "r-1"), ("x-note", "one"), ("x-note", "two"), bearer(ada)]
    with running("me", environment(stack), tmp_path / "log") as runtime:
        for event in (
            http_api("GET", "/me", headers=repeated, cookies=["a=1", "b=2"]),
            rest_api("GET", "/me", headers=[*repeated, ("cookie", "a=1; b=2")]),
        ):
            reply = runtime.invoke(event)
            assert (reply["statusCode"], json.loads(reply["body"])["username"]) == (200, "ada")
            assert header(reply, "x-request-id") == "r-1"
            assert "cookies" not in reply


def test_it_logs_a_line_for_each_request_with_the_clients_address_and_no_secret(stack: Stack, tmp_path: Path) -> None:
    ada = stack.user("ada")
    with running("me", environment(stack), tmp_path / "log") as runtime:
        runtime.invoke(http_api("GET", "/me", headers=[bearer(ada)], query=[("x", "y")]))
        runtime.invoke(http_api("GET", "/nowhere"))
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["message"], line["path"], line["status"]) for line in lines] == [
        ("request", "/me", 200),
        ("request", "/nowhere", 404),
    ]
    assert {line["client"] for line in lines} == {CLIENT}
    assert ada.token not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("function", "settings", "kind", "said"),
    [
        ("me", {"HOLDFAST_THREADS": "none"}, "ValidationError", "threads"),
        ("nobody", {}, "ModuleNotFoundError", "endpoints.nobody"),
    ],
)
def test_what_goes_wrong_at_its_start_is_an_error_of_the_initialisation(
    stack: Stack, function: str, settings: dict[str, str], kind: str, said: str, tmp_path: Path
) -> None:
    with running(function, environment(stack, **settings), tmp_path / "log") as runtime, pytest.raises(FunctionError) as failed:
        runtime.reported()
    assert (failed.value.where, failed.value.kind) == ("init", kind)
    assert said in failed.value.report["errorMessage"]


def test_an_event_of_no_gateway_is_an_error_of_that_invocation_only(stack: Stack, tmp_path: Path) -> None:
    with running("me", environment(stack), tmp_path / "log") as runtime:
        with pytest.raises(FunctionError) as failed:
            runtime.invoke({"Records": []})
        assert (failed.value.where, failed.value.report["errorType"]) == ("invocation", "RuntimeError")
        assert runtime.invoke(http_api("GET", "/healthz"))["statusCode"] == 200


def test_it_starts_where_only_its_temporary_folder_can_be_written(stack: Stack) -> None:
    """As Lambda has it: read-only but for ``/tmp``, and a home that is not there."""
    folder = fresh_folder("invoked")
    given = {**environment(stack), "HOME": "/nonexistent", "TMPDIR": str(folder)}
    with running("me", given, folder / "log") as runtime:
        ada: dict[str, Any] = runtime.invoke(http_api("GET", "/me", headers=[bearer(stack.user("ada"))]))
        assert ada["statusCode"] == 200
    assert [one.name for one in folder.iterdir()] == ["log"]
