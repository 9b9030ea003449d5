"""A preview for somebody who asks over HTTP. Reads only, so that it runs as a database user that can do nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.errors import Forbidden
from holdfast.identity.access import Claims, authorise, demand
from holdfast.lifecycle.looking import planned
from holdfast.lifecycle.planning import tripped
from holdfast.policies import inforce
from holdfast.policies.due import Rule
from holdfast.policies.model import AssetPolicy
from holdfast.policies.words import Action

if TYPE_CHECKING:
    from holdfast.services import Services


def preview(services: Services, claims: Claims, policy: AssetPolicy, as_of: datetime | None) -> list[dict[str, Any]]:
    """The plan of each action that the policy has, with what its guard says. Blocks. Raises Unauthenticated, Forbidden (the policy
    reaches beyond the caller's workspace)."""
    with services.database.read() as connection:
        actor = authorise(connection, claims)
        if not actor.platform_admin:
            demand(actor, "admin")
            if policy.spec.workspaces.names != [actor.workspace]:
                raise Forbidden("A workspace's admin may preview policies for that workspace alone.", permission="admin")
        rivals = [rule for rule in inforce.enforcing(connection) if rule.key != policy.key]
    rule, found = Rule(policy), []
    for action in Action:
        if rule.acts(action):
            made = planned(services, rule, rivals, action, as_of or services.clock())
            found.append({**made.summary(), "guard": tripped(policy.spec.guard, made)})
    return found
