"""``POST /policies/preview``: what an AssetPolicy would do now."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from holdfast.lifecycle.previewing import preview
from holdfast.policies.model import AssetPolicy
from holdfast.web import body
from holdfast.web.auth import claims
from holdfast.web.described import problems_of, secured_router
from holdfast.web.moments import Moment

router = secured_router()

_POLICY: dict[str, JsonValue] = {
    "apiVersion": "holdfast.dev/v1alpha1",
    "kind": "AssetPolicy",
    "metadata": {"name": "finished-projects", "namespace": "media"},
    "spec": {"workspaces": {"names": ["ada_space"]}, "archive": {"afterDays": 30}},
}
_PLAN: dict[str, JsonValue] = {
    "policy": "media/finished-projects",
    "action": "archive",
    "as_of": "2026-11-21T03:12:00.000000+00:00",
    "matched": {"items": 1200, "bytes": 524_288_000},
    "due": {"items": 120, "bytes": 52_428_800},
    "reasons": {"media/finished-projects": 118, "ttl": 2},
    "excluded": {"ownTtl": 3},
    "conflicts": {},
    "sample": [],
    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "guard": None,
}


class Plan(BaseModel):
    policy: str
    action: str
    as_of: str = Field(description="The instant that it was planned for.")
    matched: dict[str, int] = Field(description="Versions, and bytes, that the policy is about, due or not.")
    due: dict[str, int] = Field(description="What the action would be done to.")
    reasons: dict[str, int] = Field(description="By what it is due: a policy, or `ttl`.")
    excluded: dict[str, int] = Field(
        description="What is due by the policy and is left alone: held, keepLast, ownTtl, otherPolicy."
    )
    conflicts: dict[str, int] = Field(description="Other enforcing policies that say another date, and of how many.")
    sample: list[dict[str, Any]] = Field(description="Some of what is due.")
    digest: str = Field(description="Of the whole plan: a run can be bound to it.")
    guard: dict[str, Any] | None = Field(description="What the policy's guard would stop the run for.")


class Preview(BaseModel):
    model_config = ConfigDict(json_schema_extra={"example": {"plans": [_PLAN]}})

    plans: list[Plan] = Field(description="One for each of archive and destroy that the policy has.")


@router.post(
    "/policies/preview",
    operation_id="policies_preview",
    summary="What a policy would do, without doing it",
    description="As if it were enforced beside the policies that are. For platform admins, and for a workspace's admin where the "
    "policy names that workspace alone.",
    response_model=Preview,
    responses=problems_of(400, 413, 415, 422),
    openapi_extra=body.json_schema(AssetPolicy, example=_POLICY),
)
async def policies_preview(request: Request, as_of: Moment = None) -> Response:
    who, state = claims(request), request.app.state
    policy = await body.json_body(request, AssetPolicy)
    return JSONResponse({"plans": await state.threads.run(preview, state.services, who, policy, as_of)})
