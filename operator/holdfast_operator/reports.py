"""What a Job's pod said at its end, as far as it may be believed: along the chain pod, Job, CronJob, by uid. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.policies.report import Report, State, from_message
from holdfast_operator import names
from holdfast_operator.cronjobs import CONTAINER, Purpose, owner_of
from holdfast_operator.jobs import purpose


def controller_uid(body: Mapping[str, Any], kind: str) -> str | None:
    """The uid of what controls an object, if that is a ``kind``."""
    for owner in body["metadata"].get("ownerReferences") or []:
        if owner.get("controller") and owner["kind"] == kind:
            uid: str = owner["uid"]
            return uid
    return None


def belongs(job: Mapping[str, Any], cron_jobs: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of ``cron_jobs``, which are ours, is what controls the Job, and both are about the same action of the same
    policy."""
    uid = controller_uid(job, "CronJob")
    return any(
        uid == one["metadata"]["uid"] and owner_of(job) == owner_of(one) and _action(job) == _action(one) for one in cron_jobs
    )


def said(pod: Mapping[str, Any]) -> tuple[str, str] | None:
    """When the pod's container ended (RFC 3339), and its termination message."""
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (container.get("state") or {}).get("terminated")
        if container["name"] == CONTAINER and ended:
            return ended.get("finishedAt") or "", ended.get("message") or ""
    return None


def report(job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> Report | None:
    """The last valid report of the Job's own pods, about its own policy and action. A preview's says nothing of acts."""
    uid, key = job["metadata"]["uid"], owner_of(job)
    endings = sorted(ending for pod in pods if controller_uid(pod, "Job") == uid and (ending := said(pod)) is not None)
    for _, message in reversed(endings):
        try:
            found = from_message(message)
        except ValueError:
            continue
        if found.policy == key and found.action == _action(job) and found.state in _states(job):
            return found
    return None


def _states(job: Mapping[str, Any]) -> set[State]:
    if purpose(job) is Purpose.PREVIEW:
        return {State.PREVIEW, State.FAILED, State.STOPPED}
    return set(State) - {State.PREVIEW}


def _action(body: Mapping[str, Any]) -> str | None:
    action: str | None = (body["metadata"].get("labels") or {}).get(names.ACTION)
    return action
