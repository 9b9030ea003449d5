"""What things are called in the cluster. Pure."""

from __future__ import annotations

import re
from hashlib import sha256

from holdfast.policies.words import Action

MANAGER = "holdfast-operator"
"""Value of the label ``app.kubernetes.io/managed-by``, and the field manager of what we apply."""

MANAGED_BY = "app.kubernetes.io/managed-by"
POLICY = "holdfast.dev/policy"
"""As a label the policy's name, shortened; as an annotation its ``namespace/name``."""
POLICY_UID = "holdfast.dev/policy-uid"
ACTION = "holdfast.dev/action"
PURPOSE = "holdfast.dev/purpose"
GENERATION = "holdfast.dev/generation"
REPORTED = "holdfast.dev/reported"
RUN_NOW = "holdfast.dev/run-now"

MOST_LABEL, MOST_CONFIG_KEY = 63, 253
LONGEST_PREFIX = 30
"""With it, the hash, the action and eleven characters that Kubernetes adds, a CronJob's name has 52 characters at most."""


def digest(text: str, length: int = 8) -> str:
    return sha256(text.encode()).hexdigest()[:length]


def cron_job(prefix: str, key: str, action: Action) -> str:
    """``<prefix>-<hash8 of namespace/name>-<action>``."""
    return f"{prefix}-{digest(key)}-{action}"


def job(prefix: str, key: str, action: Action, what: str) -> str:
    """A Job that is started once for ``what`` (a preview of a generation, an approved digest) has a name that says so: started
    again after a crash, it is there already."""
    return f"{cron_job(prefix, key, action)}-{digest(what)}"


def label(name: str) -> str:
    """A policy's name as a label's value, of at most 63 characters."""
    return name if len(name) <= MOST_LABEL else f"{name[: MOST_LABEL - 9].rstrip('-.')}-{digest(name)}"


def bundle_key(key: str) -> str:
    """A policy's key in the ConfigMap: ``<namespace>.<name>.yaml``. No namespace has a dot, so two policies never share one."""
    name = key.replace("/", ".")
    return f"{name}.yaml" if len(name) + 5 <= MOST_CONFIG_KEY else f"{name[: MOST_CONFIG_KEY - 14].rstrip('.')}-{digest(key)}.yaml"


def bundle(prefix: str) -> str:
    """The ConfigMap's name."""
    return f"{prefix}-policies"


def words(annotation: str) -> set[str]:
    """What a comma separated annotation names."""
    return {word for word in re.split(r"[,\s]+", annotation) if word}
