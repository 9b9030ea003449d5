"""Jobs beside the CronJobs' own: previews, runs now, approved plans. Which are to be started, and which to be stopped. Pure.

Each belongs to its action's CronJob, as one that ``kubectl create job --from`` makes, so that it goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from holdfast.policies.model import APPROVE_PLAN
from holdfast.policies.status import ActionStatus, Status
from holdfast.policies.words import Action
from holdfast_operator import names
from holdfast_operator.accepting import Accepted
from holdfast_operator.cronjobs import Purpose, job_spec, metadata
from holdfast_operator.settings import Settings


@dataclass(frozen=True, slots=True)
class Order:
    """A Job to be started. ``what``: what it is for, in a word that makes its name."""

    action: Action
    purpose: Purpose
    what: str
    arguments: list[str] = field(default_factory=list)


def wanted(
    body: Mapping[str, Any], accepted: Accepted, status: Status, existing: Iterable[str], settings: Settings, now: datetime
) -> list[Order]:
    """``existing``: names of the Jobs that are there. ``status``: as it is known so far. The policy is not suspended, and its
    Jobs would find it as it is now."""
    policy, there = accepted.policy, set(existing)
    orders = previews(body, accepted, status, settings, now) if settings.previews else []
    annotations = body["metadata"].get("annotations") or {}
    asked = run_now(body)
    if asked is not None and asked != status.ran_now:
        purpose = Purpose.NOW if policy.enforcing else Purpose.PREVIEW
        orders += [Order(action, purpose, f"now {asked}", _arguments(purpose)) for action in accepted.schedules]
    approved = names.words(annotations.get(APPROVE_PLAN, ""))
    for plan in status.waiting:
        if policy.enforcing and plan.job is None and plan.digest in approved and plan.action in accepted.schedules:
            arguments = ["--approve", plan.digest, "--as-of", plan.as_of.isoformat()]
            orders.append(Order(plan.action, Purpose.APPROVED, plan.digest, arguments))
    return [
        one for one in orders if name_of(settings.name_prefix, policy.key, one) not in there or one.purpose is not Purpose.PREVIEW
    ]


def previews(body: Mapping[str, Any], accepted: Accepted, status: Status, settings: Settings, now: datetime) -> list[Order]:
    """Of each action whose plan is not known, is of another generation or is too old."""
    generation = accepted.policy.metadata.generation
    oldest = now - timedelta(hours=settings.preview_hours)
    return [
        Order(action, Purpose.PREVIEW, f"{body['metadata']['uid']} {generation}", _arguments(Purpose.PREVIEW))
        for action in accepted.schedules
        if not _fresh(getattr(status, action), generation, oldest)
    ]


def _fresh(known: ActionStatus | None, generation: int, oldest: datetime) -> bool:
    return (
        known is not None
        and known.planned_generation == generation
        and known.planned_time is not None
        and known.planned_time > oldest
    )


def _arguments(purpose: Purpose) -> list[str]:
    return ["--preview"] if purpose is Purpose.PREVIEW else []


def run_now(body: Mapping[str, Any]) -> str | None:
    """What the annotation says, as far as it is remembered."""
    asked = (body["metadata"].get("annotations") or {}).get(names.RUN_NOW)
    return asked[:256] if asked else None


def name_of(prefix: str, key: str, order: Order) -> str:
    return names.job(prefix, key, order.action, f"{order.purpose} {order.what}")


def job(
    body: Mapping[str, Any], accepted: Accepted, order: Order, cron_job: Mapping[str, Any], settings: Settings
) -> dict[str, Any]:
    """``cron_job``: the action's, as the API server has it."""
    policy = accepted.policy
    meta = metadata(body, policy, order.action, order.purpose)
    meta["annotations"] |= {names.GENERATION: str(policy.metadata.generation), "cronjob.kubernetes.io/instantiate": "manual"}
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": cron_job["metadata"]["name"],
        "uid": cron_job["metadata"]["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name_of(settings.name_prefix, policy.key, order),
            "namespace": settings.namespace,
            **meta,
            "ownerReferences": [owner],
        },
        "spec": job_spec(policy, order.action, order.purpose, meta, order.arguments, settings),
    }


def purpose(job: Mapping[str, Any]) -> Purpose | None:
    name = (job["metadata"].get("labels") or {}).get(names.PURPOSE)
    return Purpose(name) if name in set(Purpose) else None


def finished(job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The condition with which it ended."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            found: Mapping[str, Any] = condition
            return found
    return None


def must_stop(job: Mapping[str, Any], body: Mapping[str, Any], accepted: Accepted) -> bool:
    """Whether a Job that has not finished may not go on: the policy is suspended, or another by the same name, or only looks
    now, or it previews what the policy no longer says."""
    annotations, policy = job["metadata"].get("annotations") or {}, accepted.policy
    if policy.spec.suspend or annotations.get(names.POLICY_UID) != body["metadata"]["uid"]:
        return True
    if purpose(job) is Purpose.PREVIEW:
        return annotations.get(names.GENERATION) != str(policy.metadata.generation)
    return not policy.enforcing


def stopped(job: Mapping[str, Any]) -> bool:
    """Whether a Job that we suspended has no pod any more."""
    status = job.get("status") or {}
    suspended = any(one["type"] == "Suspended" and one["status"] == "True" for one in status.get("conditions") or [])
    return bool(job["spec"].get("suspend")) and suspended and not status.get("active") and not status.get("terminating")
