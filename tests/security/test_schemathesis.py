"""The OpenAPI document against the functions: whatever it allows is answered as it says, and never with a 5xx.

Data is in place. Every operation is first asked for something real, which has to give a 2xx; of the random requests that follow,
every other one is about a version that is there.
"""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import openapi, serializer
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from holdfast.policies.model import dump
from tests.behaviour.moments import bearer
from tests.security.tenants import PASSWORD, Tenant, platform_admin, settle
from tests.stacks import SQLITE, Stack, User

EXAMPLES = 25
"""Per operation, so that the whole run stays well within two minutes."""

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"


def bodies(tenant: Tenant) -> dict[str, tuple[str, Any]]:
    """A body for each operation that needs one, with what is there."""
    member = {"username": tenant.member.account.username}
    new = {"username": f"{tenant.admin.account.username}_friend", "password": PASSWORD}
    return {
        "POST /token": (FORM, {"username": tenant.admin.account.username, "password": PASSWORD}),
        "POST /users": (JSON, new),
        "POST /shared-users": (JSON, {**new, "permissions": ["list"]}),
        "PUT /shared-users": (JSON, {**member, "permissions": ["upload"]}),
        "DELETE /shared-users": (JSON, member),
        "PUT /me/password": (JSON, {"old_password": PASSWORD, "new_password": PASSWORD}),
        "DELETE /workspace": (JSON, {"confirm": tenant.admin.branch}),
        "POST /fileupload": (MULTIPART, {"primary_file": b"content", "archive_ttl": "5"}),
        "POST /add-associated-files/{asset_path}": (MULTIPART, {"associated_files": [b"content"]}),
        "PUT /ttl/{asset_path}/{version_id}": (JSON, {"archive_ttl": 5}),
        "PUT /labels/{asset_path}/{version_id}": (JSON, {"project": "apollo"}),
        "POST /policies/preview": (JSON, dump(tenant.policy)),
        "POST /api/v1/file/upload/chunk/": (MULTIPART, {"upload_id": tenant.begun, "chunk_index": "0", "file": b"content"}),
        "POST /api/v1/file/upload/complete/": (MULTIPART, {"upload_id": tenant.sent, "total_chunks": "1", "total_size": "7"}),
        "POST /api/v1/file/upload/parts": (
            JSON,
            {"upload_id": tenant.begun, "part_size": 5 << 20, "parts": [{"number": 1, "size": 7, "sha256": "0" * 64}]},
        ),
        "PATCH /uploads/{upload_id}": (TUS, b"content"),
        "POST /api/v1/file/upload/retry": (MULTIPART, {"file_id": tenant.stuck}),
        "POST /holds": (JSON, {"matter": "Doe v. Example", "reason": "an order", "selector": {"labels": {"project": "apollo"}}}),
    }


TUS = "application/offset+octet-stream"
RESUMABLE = {"Tus-Resumable": "1.0.0"}
HEADERS = {
    "POST /uploads": {**RESUMABLE, "Upload-Length": "3"},
    "HEAD /uploads/{upload_id}": RESUMABLE,
    "PATCH /uploads/{upload_id}": {**RESUMABLE, "Upload-Offset": "0"},
    "DELETE /uploads/{upload_id}": RESUMABLE,
}
"""What operations need besides a token."""


@serializer(TUS)
def as_it_is(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


LASTING = "GET /api/v1/file/link/{file_id}"
LEADS = {LASTING, "GET /console"}
"""Operations whose good answer is to lead elsewhere."""
DIRECT = "POST /api/v1/file/upload/parts"
"""Needs a store with an address of its own, which a folder has not: 409."""
ARCHIVED = {"POST /delfile/{asset_path}/{version_id}", "POST /filerestore/{asset_path}/{version_id}"}


def place(tenant: Tenant, version: dict[str, Any], template: str) -> dict[str, Any]:
    """The path parameters that lead to the version, or to what else the tenant has."""
    known = {"asset_path": version["asset_path"], "version_id": version["version_id"], "filename": version["primary_filename"]}
    known |= {"run_id": tenant.run, "hold_id": tenant.hold["id"], "file_id": tenant.file.get("id", ""), "appointment_id": "1"}
    known |= {"name": "upload.js"}  # of the console
    known |= {"upload_id": tenant.quarantined if "/quarantine/" in template else tenant.resumable}
    return {name: value for name, value in known.items() if f"{{{name}}}" in template}


def about_uploads(path: str) -> bool:
    return path.startswith(("/api/v1/file", "/uploads"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("stack", [SQLITE], indirect=True)
def test_every_operation_answers_as_its_document_says(stack: Stack) -> None:
    app = stack.app()
    schema = openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    with stack.client() as http:
        tenants = {
            operation.label: settle(stack, http, f"tenant{n}", uploads=about_uploads(operation.path))
            for n, operation in enumerate(operations)
        }
        answered = {operation.label: explored(stack, operation, tenants[operation.label]) for operation in operations}
    assert len(answered) == len(list(schema.get_all_operations()))  # none that cannot be understood
    good = {
        label: any(status < 300 or (label in LEADS and status < 400) or (label, status) == (DIRECT, 409) for status in statuses)
        for label, statuses in answered.items()
    }
    assert not [label for label, found in good.items() if not found]


def explored(stack: Stack, operation: Any, tenant: Tenant) -> Counter[int]:
    """How often the operation answered what."""
    statuses: Counter[int] = Counter()

    who = platform_admin(stack, f"{tenant.admin.account.username}_root") if "/admin/" in operation.path else tenant.admin

    def ask(case: Any) -> int:
        response = case.call(headers=bearer(fresh_token(stack, who)))
        case.validate_response(response, checks=CHECKS)
        statuses[response.status_code] += 1
        return int(response.status_code)

    media_type, body = bodies(tenant).get(operation.label, (None, None))
    version = tenant.archived if operation.label in ARCHIVED else tenant.active
    real: dict[str, Any] = {"path_parameters": place(tenant, version, operation.path)}
    if media_type is not None:
        real |= {"body": body, "media_type": media_type}
    if operation.label in HEADERS:
        real["headers"] = HEADERS[operation.label]
    if operation.label == LASTING:
        real["query"] = dict(parse_qsl(urlsplit(tenant.file["download_url"]).query))
    if operation.label == "DELETE /api/v1/file/all":
        real["query"] = {"user_id": "nobody"}
    first = ask(operation.Case(**real))
    good = 400 if operation.label in LEADS else 300
    assert first < good or (operation.label, first) == (DIRECT, 409), f"{operation.label}: {first}"

    versions = st.sampled_from([tenant.active, tenant.archived, tenant.destroyed, None, None, None])

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), version=versions)
    def random(case: Any, version: dict[str, Any] | None) -> None:
        if version is not None and "{" in operation.path:
            case.path_parameters = place(tenant, version, operation.path)
        ask(case)

    random()
    return statuses


def fresh_token(stack: Stack, user: User) -> str:
    """The one before may have been revoked."""
    return stack.own.tokens.issue(user.account)
