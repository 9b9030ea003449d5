"""A policy's CronJobs as data, and whether what is in the cluster is still that. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from holdfast.policies.model import API_VERSION, KIND, AssetPolicy
from holdfast.policies.schedule import last_run, starting_deadline
from holdfast.policies.words import Action
from holdfast_operator import names
from holdfast_operator.settings import Settings

CONTAINER, FOLDER = "sweep", "/etc/holdfast/policies"
FAILS_FOR_GOOD = [2, 3, 4, 5]
"""Exit codes of ``holdfast`` after which trying again is of no use: wrong settings, not allowed, not there, another plan."""
BACKOFF_LIMIT = 4
"""Tries after the first. Kubernetes waits 10 s before the first of them and twice as long before each one more, 150 s in all: a pod
that dies leaves its run's lease for up to a minute, and the pods in its place end with 6 until then."""
_USER = 65532
GRACE = timedelta(minutes=2)
"""For which a run may be late, before it counts as missed."""


class Purpose(StrEnum):
    """Why a Job runs: its schedule came, a preview is wanted, somebody asked for a run now, or approved a plan."""

    SCHEDULE = "schedule"
    PREVIEW = "preview"
    NOW = "now"
    APPROVED = "approved"


def cron_job(
    body: Mapping[str, Any], policy: AssetPolicy, action: Action, schedule: str, suspend: bool, settings: Settings
) -> dict[str, Any]:
    """``body``: the policy as the API server has it."""
    meta = metadata(body, policy, action, Purpose.SCHEDULE)
    owner = [_owner(body)] if policy.metadata.namespace == settings.namespace else []
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": names.cron_job(settings.name_prefix, policy.key, action),
            "namespace": settings.namespace,
            "labels": {name: value for name, value in meta["labels"].items() if name != names.PURPOSE},
            "annotations": meta["annotations"],
            "ownerReferences": owner,
        },
        "spec": {
            "schedule": schedule,
            "timeZone": policy.spec.time_zone,
            "suspend": suspend,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": starting_deadline(schedule, settings.starting_deadline_seconds),
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"metadata": meta, "spec": job_spec(policy, action, Purpose.SCHEDULE, meta, [], settings)},
        },
    }


def job_spec(
    policy: AssetPolicy, action: Action, purpose: Purpose, meta: Mapping[str, Any], arguments: list[str], settings: Settings
) -> dict[str, Any]:
    preview = purpose is Purpose.PREVIEW
    return {
        "activeDeadlineSeconds": settings.active_deadline_seconds,
        "ttlSecondsAfterFinished": settings.preview_keep_seconds if preview else settings.keep_seconds,
        "backoffLimit": BACKOFF_LIMIT,
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": FAILS_FOR_GOOD},
                },
            ]
        },
        "template": {
            "metadata": {**meta, "labels": {**settings.pod_labels, **meta.get("labels", {})}},
            "spec": _pod(policy, action, preview, arguments, settings),
        },
    }


def _pod(policy: AssetPolicy, action: Action, preview: bool, arguments: list[str], settings: Settings) -> dict[str, Any]:
    secrets = (settings.preview_env_from if preview else []) or settings.env_from
    keys = (settings.preview_secret_env if preview else {}) or settings.secret_env
    container = {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.image_pull_policy,
        "command": ["holdfast", "sweep", "--policy", policy.key, "--action", str(action), *arguments],
        "env": [{"name": "HOLDFAST_POLICIES", "value": FOLDER}]
        + [{"name": name, "value": value} for name, value in sorted(settings.env.items())]
        + [{"name": name, "valueFrom": {"secretKeyRef": _key_of(named)}} for name, named in sorted(keys.items())],
        "envFrom": [{"secretRef": {"name": name}} for name in secrets],
        "resources": settings.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "policies", "mountPath": FOLDER, "readOnly": True}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 120,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "policies", "configMap": {"name": names.bundle(settings.name_prefix)}},
            {"name": "tmp", "emptyDir": {}},
        ],
    }
    return _merged(pod, settings.pod)


def _key_of(named: str) -> dict[str, str]:
    secret, _, key = named.partition("/")
    return {"name": secret, "key": key}


def metadata(body: Mapping[str, Any], policy: AssetPolicy, action: Action, purpose: Purpose) -> dict[str, Any]:
    """Labels to find it by, and annotations that say whose it is."""
    return {
        "labels": {
            names.MANAGED_BY: names.MANAGER,
            names.POLICY: names.label(policy.metadata.name),
            names.ACTION: str(action),
            names.PURPOSE: str(purpose),
        },
        "annotations": {names.POLICY: policy.key, names.POLICY_UID: str(body["metadata"]["uid"])},
    }


def owner_of(body: Mapping[str, Any]) -> str | None:
    """``namespace/name`` of the policy that an object of ours belongs to; None for what is not ours. Labels are for finding it, and
    are put back when somebody takes them away."""
    key: str | None = (body["metadata"].get("annotations") or {}).get(names.POLICY)
    return key


def differs(wanted: Any, found: Any) -> bool:
    """Whether ``found`` lacks anything of ``wanted``. What the API server adds to an object does not count, an item more in a
    list does."""
    if isinstance(wanted, Mapping):
        found = {} if found is None else found
        return not isinstance(found, Mapping) or any(differs(value, found.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        found = found or []
        return len(wanted) != len(found) or any(differs(*pair) for pair in zip(wanted, found, strict=True))
    return bool(wanted != found)


def begins_anew(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether ``wanted`` runs at times at which ``found`` would not have run. Kubernetes holds a schedule against the last run,
    whatever the CronJob was in between, and would at once make up for the latest time that has passed since."""
    new, old = wanted["spec"], found["spec"]
    return not new["suspend"] and (bool(old.get("suspend")) or any(new[name] != old.get(name) for name in ("schedule", "timeZone")))


def missed(found: Mapping[str, Any], now: datetime) -> datetime | None:
    """The latest time at which it was to run, and for ``GRACE`` has not; None when it ran.

    Kubernetes makes up for it by itself where its schedule's times are evenly spaced. Else it reckons when the latest may have been
    from how far the first two that were missed lie apart, and where that is after the latest it finds none
    (``mostRecentScheduleTime`` of its CronJob controller, 1.34)."""
    spec, begun = found["spec"], (found.get("status") or {}).get("lastScheduleTime")
    if spec.get("suspend"):
        return None
    due = last_run(spec["schedule"], spec["timeZone"], now - GRACE)
    since = datetime.fromisoformat(begun or found["metadata"]["creationTimestamp"])
    return due if due is not None and since < before(due) else None


def before(due: datetime) -> datetime:
    """A last run at this time leaves ``due`` as the only one that was missed."""
    return due - timedelta(seconds=1)


def _owner(body: Mapping[str, Any]) -> dict[str, Any]:
    meta = body["metadata"]
    return {"apiVersion": API_VERSION, "kind": KIND, "name": meta["name"], "uid": meta["uid"], "controller": True}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for name, value in over.items():
        known = out.get(name)
        if isinstance(known, dict) and isinstance(value, Mapping):
            out[name] = _merged(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            out[name] = [*known, *value]
        else:
            out[name] = value
    return out
