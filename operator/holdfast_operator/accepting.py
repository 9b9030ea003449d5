"""Whether a policy is accepted here, and if not, why: its spec, its schedule, the workspaces its namespace may touch, the
floors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from holdfast.policies.floors import Floors, below
from holdfast.policies.model import AssetPolicy, Spec
from holdfast.policies.schedule import BadSchedule, resolve
from holdfast.policies.words import Action
from holdfast_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Accepted:
    """``schedules``: the cron expression of each action that the policy has."""

    policy: AssetPolicy
    schedules: Mapping[Action, str]


@dataclass(frozen=True, slots=True)
class Refused:
    """``reason`` for programs, ``message`` for people. ``foreign``: it may be another installation's, which says what it is."""

    reason: str
    message: str
    foreign: bool = False


def accept(body: Mapping[str, Any], settings: Settings, namespace: str) -> Accepted | Refused:
    """``body``: the resource as the API server has it; ``namespace``: the installation's."""
    try:
        policy = AssetPolicy.model_validate(body)
    except ValidationError as error:
        return Refused("InvalidSpec", "; ".join(_said(one) for one in error.errors()[:5]))
    if (refused := tenancy(policy, settings.namespaces, namespace) or floors(policy.spec, settings)) is not None:
        return refused
    try:
        schedules = {
            action: resolve(policy.key, policy.spec.schedule, policy.spec.time_zone, action) for action in actions(policy.spec)
        }
    except BadSchedule as error:
        return Refused("InvalidSchedule", str(error))
    return Accepted(policy, schedules)


def actions(spec: Spec) -> list[Action]:
    present = {Action.ARCHIVE: spec.archive, Action.DESTROY: spec.destroy}
    return [action for action, part in present.items() if part is not None]


def tenancy(policy: AssetPolicy, namespaces: Mapping[str, list[str]], own: str) -> Refused | None:
    """A policy in the installation's namespace may touch every workspace, in a tenant's the tenant's own, elsewhere none."""
    namespace, wanted = policy.metadata.namespace, policy.spec.workspaces
    if namespace == own:
        return None
    if namespace not in namespaces:
        return Refused("NotAllowed", f"policies of namespace {namespace} are not honoured here", foreign=True)
    if wanted.all:
        return Refused("NotAllowed", f"namespace {namespace} may not name all workspaces")
    foreign = [name for name in wanted.names if name not in namespaces[namespace]]
    if foreign:
        return Refused("NotAllowed", f"namespace {namespace} may not touch {', '.join(foreign[:5])}")
    return None


def floors(spec: Spec, settings: Settings) -> Refused | None:
    """What the installation asks of every policy."""
    said = below(spec, Floors(settings.min_undo_days, settings.max_percent, settings.min_after_days))
    return None if said is None else Refused("BelowFloor", said)


def _said(error: Any) -> str:
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"[:200]
