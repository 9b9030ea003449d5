"""The operator's settings, each of them an environment variable ``HOLDFAST_OPERATOR_X`` and an option ``--x``. Structures are
JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from holdfast_operator.names import LONGEST_PREFIX

SecretKey = Annotated[str, Field(pattern=r"^[-a-z0-9.]+/[-._a-zA-Z0-9]+$")]
"""``secret/key``"""


class Settings(BaseSettings):
    """Reconciles AssetPolicies into CronJobs. Each option is a setting HOLDFAST_OPERATOR_X as well."""

    model_config = SettingsConfigDict(
        env_prefix="HOLDFAST_OPERATOR_",
        frozen=True,
        cli_prog_name="holdfast-operator",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )

    image: str = Field(min_length=1, description="Image of the Jobs; it holds the program `holdfast`.")
    image_pull_policy: str = Field("IfNotPresent", description="Their imagePullPolicy.")
    namespace: str = Field(
        "",
        description="Namespace of the installation, where CronJobs and Jobs are. Empty: where the operator runs, else `default`.",
    )
    name_prefix: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=LONGEST_PREFIX)] = Field(
        "holdfast", description="How the names of CronJobs begin."
    )
    namespaces: dict[str, list[str]] = Field(
        {},
        description="Namespaces of tenants whose policies are honoured, with the workspaces that each may name. The installation's "
        "own may name all.",
    )
    clusterwide: bool = Field(
        True,
        description="Whether policies of all namespaces are looked at, so that those that are not honoured say so. If not, only "
        "those of the installation's namespace and of `namespaces` are.",
    )

    env: dict[str, str] = Field({}, description="Environment variables of the Jobs.")
    env_from: list[str] = Field([], description="Secrets whose keys become environment variables of the Jobs.")
    secret_env: dict[str, SecretKey] = Field(
        {}, description='Environment variables of the Jobs that are keys of Secrets: `{"HOLDFAST_S3_SECRET_KEY": "secret/key"}`.'
    )
    preview_secret_env: dict[str, SecretKey] = Field(
        {}, description="The same for previews, with credentials that cannot delete. Empty: those of `secret_env`."
    )
    preview_env_from: list[str] = Field(
        [], description="The same for previews, with credentials that cannot delete. Empty: those of `env_from`."
    )
    resources: dict[str, Any] = Field({}, description="Resources of the Jobs' container.")
    pod_labels: dict[str, str] = Field({}, description="Labels of the Jobs' pods besides their own, for network policies, say.")
    pod: dict[str, Any] = Field({}, description="What the Jobs' pods have besides, or otherwise: merged into their spec.")

    starting_deadline_seconds: int = Field(
        86_400,
        ge=10,
        description="How late a run may start that was missed. Later where the next time of its schedule comes later, and sooner "
        "where more than a hundred of its times would be missed until then.",
    )
    active_deadline_seconds: int = Field(43_200, ge=60, description="How long a run may take.")
    keep_seconds: int = Field(86_400, ge=0, description="How long a finished run's Job is kept.")
    preview_keep_seconds: int = Field(3_600, ge=0, description="The same of previews. A preview that failed is tried again then.")
    previews: int = Field(4, ge=0, description="Previews that run at once. 0: none is started by itself.")
    preview_hours: int = Field(23, ge=1, description="Age at which a preview is made anew, in hours.")

    min_undo_days: int = Field(0, ge=0, description="Least `undoDays` of a policy.")
    max_percent: int = Field(100, ge=0, le=100, description="Most `guard.maxPercent` of a policy.")
    min_after_days: int = Field(0, ge=0, description="Least `afterDays` of a policy.")

    workers: int = Field(4, ge=1, le=64, description="Policies that are reconciled at once.")
    resync_seconds: float = Field(300, gt=0, description="How often all is read anew, whatever was watched.")
    watch_seconds: int = Field(240, ge=1, description="How long a watch lasts before it is made anew.")
    settle_seconds: float = Field(1.0, ge=0, description="Quiet after which changed policies are written into the ConfigMap.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of the metrics. 0: none.")
    liveness_port: int = Field(0, ge=0, le=65535, description="Port of `/healthz`. 0: none.")

    def watched(self) -> list[str | None]:
        """Namespaces whose policies are looked at; None stands for all."""
        return [None] if self.clusterwide else [*sorted({self.namespace, *self.namespaces})]

    def looks_at(self, namespace: str) -> bool:
        return self.clusterwide or namespace in self.watched()
