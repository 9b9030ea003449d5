"""When a version becomes unreadable, and by what: its own TTLs, or a policy in force, whichever comes first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from holdfast.assets import dates
from holdfast.clock import isoformat
from holdfast.database.tables import versions
from holdfast.policies.due import LIVE, TTL, Facts, Opinion, Rule, ends


def expires(version: Any, branch: str, rules: Sequence[Rule], rank: int) -> Opinion | None:
    """Of a row of ``versions``; None where nothing ends it, a hold covers it, or it is destroyed. ``rank``: see ``Facts``."""
    own = dates.expires(version)
    found = [] if own is None else [Opinion(own, TTL)]
    if rules and version.status in LIVE and (by_policy := ends(_facts(version, branch, rank), rules)) is not None:
        found.append(by_policy)
    return min(found, default=None)


def described(found: Opinion | None) -> dict[str, Any] | None:
    """As an asset's metadata has it."""
    return None if found is None else {"at": isoformat(found.at), "by": found.by}


def ranks(connection: Connection, asset_ids: Collection[int], rules: Sequence[Rule]) -> Mapping[tuple[int, int], int]:
    """By (asset id, number) the ranks of the assets' live versions; empty where no rule asks for them."""
    if not asset_ids or not any(rule.ranks for rule in rules):
        return {}
    v, found, counted = versions.c, {}, dict.fromkeys(asset_ids, 0)
    live = select(v.asset_id, v.number).where(v.asset_id.in_(asset_ids), v.status.in_(LIVE)).order_by(v.asset_id, v.number.desc())
    for asset_id, number in connection.execute(live):
        counted[asset_id] += 1
        found[asset_id, number] = counted[asset_id]
    return found


def _facts(version: Any, branch: str, rank: int) -> Facts:
    return Facts(
        id=version.id,
        asset_id=version.asset_id,
        number=version.number,
        workspace=branch,
        asset_path=version.asset_path,
        version_id=version.version_id,
        content_type=version.content_type,
        status=version.status,
        held=version.held,
        archive_ttl=version.archive_ttl,
        destroy_ttl=version.destroy_ttl,
        active_since=version.active_since,
        archive_date=version.archive_date,
        destroy_date=version.destroy_date,
        bytes=version.total_bytes,
        labels=version.labels,
        rank=rank,
    )
