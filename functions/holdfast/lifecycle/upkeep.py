"""Runs whose process died, or lost its lease, are said to have stopped even if no other run follows: until then they could not be
undone. And what a sweep leaves of policies that are gone, as it may delete nothing, is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from holdfast.database.tables import runs as t
from holdfast.errors import Conflict
from holdfast.lifecycle import runs
from holdfast.lifecycle.lease import Held, of_sweep
from holdfast.policies import telling

if TYPE_CHECKING:
    from holdfast.services import Services


def clean(services: Services) -> None:
    """Gives up each unfinished run whose lease nobody has, and removes what is left of policies that are known no more. Raises
    DatabaseUnavailable."""
    telling.clear(services.database)
    with services.database.read() as connection:
        unfinished = connection.execute(select(t.c.policy, t.c.action).where(t.c.state.in_(runs.UNFINISHED)).distinct()).all()
    for policy, action in unfinished:
        try:
            with Held(services.database, of_sweep(policy, action)) as lease:
                lease.write(lambda c, policy=policy, action=action: runs.give_up(c, policy, action, services.clock()))  # type: ignore[misc]
        except Conflict:
            continue  # it is under way
