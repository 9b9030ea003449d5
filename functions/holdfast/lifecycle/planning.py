"""What a policy would do: one pure planner for preview and apply.

A plan is made in one pass over the live versions of the workspaces that the policy reaches, in constant memory but for the row
ids of what is due (8 bytes each): a plan of ten million versions takes some 80 MB. Its digest is sha256 over the policy's spec,
the action, the instant that it was planned for, and the due versions in their order with their due dates, so that who approves a
digest approves exactly that.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.clock import isoformat
from holdfast.policies.due import FROM, TTL, Decision, Facts, Rule, decide
from holdfast.policies.model import Guard, dump
from holdfast.policies.words import Action

SAMPLE = 10
"""Due versions that a plan names."""
COUNTED_FROM = 100
"""Matched versions from which on ``maxPercent`` counts (the AssetPolicy's own description)."""

HELD, KEPT, OWN_TTL, OTHER_POLICY = "held", "keepLast", "ownTtl", "otherPolicy"
"""Why a version that is due by the policy's own date is not in its plan."""


@dataclass
class Plan:
    """``matched``: live versions that the policy is about, due or not. ``due``: those that the action would be done to, now and
    ``by`` what; ``excluded``: those that it would be done to, but for a reason. Bytes are of all files of a version."""

    policy: str
    action: Action
    as_of: datetime
    matched_items: int = 0
    matched_bytes: int = 0
    due_items: int = 0
    due_bytes: int = 0
    by: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)
    """Versions about which another enforcing policy, by its key, says another date."""
    sample: list[dict[str, Any]] = field(default_factory=list)
    ids: array[int] = field(default_factory=lambda: array("q"))
    """Row ids of what is due, in the order of the plan: a workspace's together."""
    sections: list[tuple[str, int]] = field(default_factory=list)
    """Which workspaces ``ids`` are of: the name, and where its own begin."""
    digest: str = ""
    basis: str = ""
    """sha256 over what the digest begins with: the spec, the action and the instant, whatever versions there are."""

    def summary(self) -> dict[str, Any]:
        """What is shown and kept of it."""
        return {
            "policy": self.policy,
            "action": str(self.action),
            "as_of": isoformat(self.as_of),
            "matched": {"items": self.matched_items, "bytes": self.matched_bytes},
            "due": {"items": self.due_items, "bytes": self.due_bytes},
            "reasons": dict(self.by),
            "excluded": dict(self.excluded),
            "conflicts": dict(self.conflicts.most_common(5)),
            "sample": self.sample,
            "digest": self.digest,
            "basis": self.basis,
        }


def plan(rule: Rule, rivals: Sequence[Rule], action: Action, as_of: datetime, versions: Iterable[Facts]) -> Plan:
    """The plan of ``rule``, as if it were enforced, beside the enforcing ``rivals``. ``versions`` are all live versions of the
    workspaces that it reaches, a workspace's together and an asset's together."""
    made = Plan(rule.key, action, as_of)
    rules, ripe, acts = [rule, *rivals], FROM[action], rule.acts(action)
    digest = hashlib.sha256(_heading(rule, action, as_of))
    made.basis = digest.hexdigest()
    for version in versions:
        if not rule.matches(version):
            continue
        made.matched_items += 1
        made.matched_bytes += version.bytes
        if not acts or version.status != ripe or (decision := decide(version, action, rules)) is None:
            continue
        if decision.opponents:
            _dispute(made, rule, rules, version)
        reason = why_not(rule, version, action, decision, as_of)
        if reason is None:
            digest.update(f"{version.workspace}\0{version.asset_path}\0{version.version_id}\0{decision.at.isoformat()}\n".encode())
            _add(made, version, decision)
        elif reason:
            made.excluded[reason] += 1
    made.digest = digest.hexdigest()
    return made


def why_not(rule: Rule, version: Facts, action: Action, decision: Decision, as_of: datetime) -> str | None:
    """None if ``action`` is due for a version that is ripe for it; else why it is not, the empty text where it is not its time by
    the policy either."""
    if decision.at <= as_of:
        return HELD if action is Action.DESTROY and version.held > 0 else None
    counted = rule.counted(version, action)
    if counted is None or counted > as_of:
        return ""
    if decision.by == TTL:
        return OWN_TTL
    return KEPT if rule.keeps(version, action) else OTHER_POLICY


def tripped(guard: Guard, made: Plan) -> dict[str, Any] | None:
    """What of the guard the plan would break, with the numbers; None if nothing."""
    numbers = {"items": made.due_items, "matched": made.matched_items}
    if made.due_items > guard.max_items:
        return {"limit": "maxItems", "allowed": guard.max_items, **numbers}
    if made.matched_items >= COUNTED_FROM and made.due_items * 100 > guard.max_percent * made.matched_items:
        return {"limit": "maxPercent", "allowed": guard.max_percent, **numbers}
    return None


def breach(broken: Mapping[str, Any]) -> str:
    """What ``tripped`` found, in a sentence."""
    return f"{broken.get('items')} of {broken.get('matched')} versions, and {broken.get('limit')} is {broken.get('allowed')}."


def _heading(rule: Rule, action: Action, as_of: datetime) -> bytes:
    spec = dump(rule.policy)["spec"]
    told = {"policy": rule.key, "spec": {name: part for name, part in spec.items() if name not in _MANNER}, "action": str(action)}
    return json.dumps({**told, "asOf": isoformat(as_of)}, sort_keys=True).encode() + b"\n"


_MANNER = frozenset({"mode", "suspend", "schedule", "timeZone"})
"""What changes nothing about what is due: a plan that was previewed is the one that is enforced."""


def _add(made: Plan, version: Facts, decision: Decision) -> None:
    if not made.sections or made.sections[-1][0] != version.workspace:
        made.sections.append((version.workspace, len(made.ids)))
    made.ids.append(version.id)
    made.due_items += 1
    made.due_bytes += version.bytes
    made.by[decision.by] += 1
    if len(made.sample) < SAMPLE:
        made.sample.append(
            {
                "workspace": version.workspace,
                "asset_path": version.asset_path,
                "version_id": version.version_id,
                "due": isoformat(decision.at),
                "by": decision.by,
                "bytes": version.bytes,
            }
        )


def _dispute(made: Plan, rule: Rule, rules: Sequence[Rule], version: Facts) -> None:
    mine = rule.opinion(version, made.action)
    for other in rules[1:]:
        if not other.acts(made.action) or not other.matches(version):
            continue
        theirs = other.opinion(version, made.action)
        if mine is not None and theirs is not None and theirs.at != mine.at:
            made.conflicts[other.key] += 1
