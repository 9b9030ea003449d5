"""A plan of the versions that are there now: the database read for ``planning``, and nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from holdfast.database.tables import workspaces
from holdfast.lifecycle import facts
from holdfast.lifecycle.planning import Plan, plan
from holdfast.policies.due import Facts, Rule
from holdfast.policies.words import Action

if TYPE_CHECKING:
    from holdfast.policies.model import AssetPolicy
    from holdfast.services import Services


def planned(services: Services, rule: Rule, rivals: Sequence[Rule], action: Action, as_of: datetime) -> Plan:
    """What the policy would do, as if it were enforced beside its enforcing ``rivals``. Raises DatabaseUnavailable."""
    return plan(rule, rivals, action, as_of, versions(services, rule))


def versions(services: Services, rule: Rule) -> Iterator[Facts]:
    """Every live version of the workspaces that the policy reaches, these by name, in constant memory. Raises
    DatabaseUnavailable."""
    with services.database.read() as connection:
        found = select(workspaces.c.id, workspaces.c.name).where(workspaces.c.state == "active").order_by(workspaces.c.name)
        reached = [row for row in connection.execute(found).all() if rule.reaches(row.name)]
    for row in reached:
        yield from facts.of_workspace(services.direct, row.id, row.name)


def missing(services: Services, policies: Iterable[AssetPolicy]) -> list[str]:
    """The workspaces that they name and that are not there, in the order of the alphabet. Raises DatabaseUnavailable."""
    named = {name for policy in policies for name in policy.spec.workspaces.names}
    with services.database.read() as connection:
        there = connection.scalars(select(workspaces.c.name).where(workspaces.c.state == "active", workspaces.c.name.in_(named)))
        return sorted(named - set(there))
