"""Every setting, once: name, type, default and what it does. The reference page is generated from here.

A setting ``x_y`` is read from the environment as ``HOLDFAST_X_Y``; a secret may instead be in a file named by ``HOLDFAST_X_Y_FILE``
(how Kubernetes and Docker hand secrets over). Nothing needs to be set for the embedded default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

PREFIX = "HOLDFAST_"


class Settings(BaseSettings):
    """Raises pydantic's ValidationError, which names each wrong setting; SettingsError for a secret's file that cannot be read."""

    # What is wrong is named, and not what was given: it may be a secret, and errors end in logs.
    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    data: Path = Field(Path("data"), description="Folder of the embedded default: SQLite file, bytes, generated secrets.")

    database_url: str = Field(
        "", description="SQLAlchemy URL, `mysql+pymysql://user:password@host:3306/holdfast`. Empty: an SQLite file under `data`."
    )
    database_password: SecretStr = Field(
        SecretStr(""), description="The password of the database's user, where `database_url` names none."
    )
    database_pool: int = Field(16, ge=1, le=200, description="Connections kept open per process.")

    database_user_prefix: str = Field(
        "holdfast_",
        pattern="^[A-Za-z0-9_]{1,24}$",
        description="What the names of the users begin with that `holdfast admin database-users` makes; their roles come after it.",
    )
    database_user_host: str = Field("%", description="From where those users may log in, as MySQL writes it.")
    database_read_password: SecretStr = Field(
        SecretStr(""), description="Password for the database's user of functions that only read."
    )
    database_write_password: SecretStr = Field(SecretStr(""), description="Password for that of functions that change something.")
    database_sweep_password: SecretStr = Field(SecretStr(""), description="Password for that of policies' runs and previews.")
    database_purge_password: SecretStr = Field(SecretStr(""), description="Password for that of the purge.")
    database_worker_password: SecretStr = Field(SecretStr(""), description="Password for that of the worker.")

    objects: Literal["folder", "s3"] = Field("folder", description="Where bytes are: `folder` (under `data`) or `s3`.")
    s3_endpoint: str = Field("", description="S3 address that Holdfast uses, `http://seaweedfs-s3:8333`.")
    s3_public_endpoint: str = Field("", description="S3 address that clients reach, for links. Empty: the same.")
    s3_region: str = Field("us-east-1", description="S3 region.")
    s3_bucket: str = Field("holdfast", description="S3 bucket; it must be there.")
    s3_prefix: str = Field("", description="Put before every key, so that several installations share a bucket.")
    s3_access_key: str = Field("", description="S3 access key.")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="S3 secret key.")
    purge_s3_access_key: str = Field("", description="S3 access key of the purge, if that has an identity of its own.")
    purge_s3_secret_key: SecretStr = Field(SecretStr(""), description="S3 secret key of the purge.")
    compaction: Literal["unconfirmed", "seaweedfs", "vouched"] = Field(
        "unconfirmed",
        description="How a purge learns that an S3 store's disks gave up what was deleted: `seaweedfs` asks its servers, `vouched` "
        "takes a delete for it, on the operator's word; `unconfirmed`: not at all, and nothing is ever called erased.",
    )
    seaweedfs_master: str = Field("", description="SeaweedFS master, `http://seaweedfs-master:9333`.")
    seaweedfs_filer: str = Field("", description="SeaweedFS filer, `http://seaweedfs-filer:8888`.")

    versions: Literal["sql", "lakefs"] = Field("sql", description="Where commits are: rows of the database, or lakeFS.")
    lakefs_endpoint: str = Field("", description="lakeFS address, `http://lakefs:8000`.")
    lakefs_access_key: str = Field("", description="lakeFS access key id.")
    lakefs_secret_key: SecretStr = Field(SecretStr(""), description="lakeFS secret access key.")
    lakefs_repository: str = Field("holdfast", description="lakeFS repository; made when it is missing.")

    qdrant_url: str = Field(
        "",
        pattern="^$|^https?://[^/?#]+(/[^?#]*)?$",
        description="Qdrant's REST address, `http://qdrant:6333`. Nothing searches in it yet: the background work asks it "
        "whether it answers. Empty: there is none.",
    )
    qdrant_api_key: SecretStr = Field(SecretStr(""), description="Qdrant's API key. Empty: it asks for none.")

    token_algorithm: Literal["HS256", "ES256"] = Field("HS256", description="How tokens are signed.")
    token_secret: SecretStr = Field(
        SecretStr(""), description="HS256: the secret, 32 bytes or more. Empty: one is made and kept under `data`."
    )
    token_previous_secrets: SecretStr = Field(
        SecretStr(""), description="HS256: comma separated secrets whose tokens still hold (rotation)."
    )
    token_private_key: SecretStr = Field(
        SecretStr(""), description="ES256: the private key, PEM. Empty: made and kept under `data`."
    )
    token_previous_public_keys: str = Field(
        "", description="ES256: PEM public keys, one after the other, whose tokens still hold (rotation)."
    )
    token_minutes: int = Field(30, ge=1, le=7 * 24 * 60, description="How long a token holds, in minutes.")

    registration: Literal["auto", "open", "invite", "closed"] = Field(
        "auto",
        description="Who may register: `open` anybody, `invite` with a code, `closed` nobody; `auto`: open on loopback only.",
    )
    auth_disabled: bool = Field(
        False,
        description="For demonstrations, with `holdfast serve` alone: whoever brings no token is the user `anybody`, "
        "with a workspace of his own.",
    )
    login_failures: int = Field(10, ge=1, description="Failed logins of one name or address after which it has to wait.")
    login_wait_seconds: int = Field(60, ge=1, description="How long it then waits at first; doubled by each further failure.")

    host: str = Field("127.0.0.1", description="Address on which a function's container listens.")
    port: int = Field(8080, ge=0, le=65535, description="Port on which a function's container listens.")
    worker_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port on which `holdfast worker` answers `/healthz`, `/readyz` and `/metrics`, at `host`. Empty: none.",
    )
    trusted_proxies: str = Field(
        "", description="Addresses and networks of proxies whose X-Forwarded-For and -Proto are believed, comma separated."
    )
    grace_seconds: int = Field(30, ge=0, le=3600, description="How long requests may go on after SIGTERM, in seconds.")
    public_url: str = Field("", description="Address under which clients reach Holdfast, for links. Empty: taken from the request.")
    link_secret: SecretStr = Field(
        SecretStr(""),
        description="Signs links to our own `/content` where the store has no address. Empty: one is made and kept under `data`.",
    )
    link_minutes: int = Field(20, ge=1, le=7 * 24 * 60, description="How long a link to content holds, in minutes.")
    max_file_bytes: int = Field(5 * 2**40, ge=0, description="Largest file, in bytes, where the workspace sets no other.")
    default_quota_bytes: int | None = Field(None, ge=0, description="Quota of a new workspace, in bytes. Empty: none.")
    upload_expiry: int = Field(
        86_400, ge=60, description="Seconds after its last byte for which an unfinished upload can be gone on with."
    )
    upload_chunk: int = Field(
        768 * 1024,
        ge=64 * 1024,
        le=64 * 2**20,
        description="Bytes of a chunk of the chunk API. The default passes proxies that take 1 MiB; one chunk is held in memory.",
    )
    upload_sessions: int = Field(1000, ge=1, le=100_000, description="Most unfinished uploads of one user.")
    max_files: int = Field(100, ge=1, le=1000, description="Most files in one upload.")
    scan: Literal["off", "clamd"] = Field(
        "off", description="Whether uploads are scanned for malware before anything comes of them, and by what."
    )
    clamd: str = Field(
        "",
        pattern="^$|^unix:/.+$|^.+:[0-9]{1,5}$",
        description="Address of ClamAV's daemon: `clamd:3310`, or `unix:/run/clamav/clamd.ctl`.",
    )
    scan_max_bytes: int = Field(
        100 * 2**20,
        ge=1,
        le=2**31 - 1,
        description="Largest file that is scanned; a larger one is not let in. No more than clamd's own `StreamMaxLength`, "
        "`MaxFileSize` and `MaxScanSize`.",
    )
    scan_timeout_seconds: int = Field(
        120, ge=1, le=3600, description="How long the scanner may take for an answer. After that the upload answers 503."
    )
    scan_quarantine: bool = Field(
        True,
        description="Whether what is not let in is kept until a platform admin releases or deletes it, or is deleted at once.",
    )
    scan_delete: bool = Field(
        False, description="Whether what is infected is deleted at once all the same, and only what could not be scanned is kept."
    )
    undo_days: int = Field(7, ge=0, le=3650, description="Days for which a destroyed version can be restored.")
    policies: Path | None = Field(
        None,
        description="Folder of AssetPolicies, one YAML file each. Empty: `policies` under `data`.",
    )
    scheduler: bool = Field(True, description="Whether the server runs policies at their times. `false` where CronJobs do.")
    verify_before_destroy: Literal["full", "sampled"] = Field(
        "full", description="Which versions' bytes are read and hashed again before a policy may condemn them."
    )
    verify_sample_percent: int = Field(5, ge=1, le=100, description="Of how many versions, when they are `sampled`.")
    purge_seconds: int = Field(
        3600, ge=0, description="How often the server purges by itself, in seconds. 0: not at all, `holdfast purge` does it."
    )
    purge_max_versions: int = Field(100_000, ge=1, description="Most versions whose purge one run begins.")
    purge_max_bytes: int | None = Field(None, ge=1, description="Most bytes whose purge one run begins. Empty: no limit.")
    compaction_hours: int = Field(20, ge=0, description="Hours that pass before a purge asks the store to compact again.")
    backup_days: int | None = Field(
        None, ge=0, description="Days for which backups are kept: the evidence of an erasure names the day. Empty: it names none."
    )
    policy_min_undo_days: int = Field(0, ge=0, description="Least `undoDays` of a policy.")
    policy_max_percent: int = Field(100, ge=0, le=100, description="Most `guard.maxPercent` of a policy.")
    policy_min_after_days: int = Field(0, ge=0, description="Least `afterDays` of a policy.")
    commit_wait_seconds: int = Field(20, ge=1, le=600, description="How long an upload waits for its commit before it answers 503.")
    intent_timeout_seconds: int = Field(
        300,
        ge=15,
        description="An upload from which nothing was heard for so long is given up, and its bytes go. "
        "One that goes on is heard from every 5 seconds.",
    )
    reconcile_seconds: int = Field(60, ge=1, description="How often the background reconciliation runs.")
    threads: int = Field(40, ge=1, le=1000, description="Requests of one process that may be at blocking work at once.")
    audit_reads: bool = Field(
        False, description="Whether downloads and lists of assets go on the audit trail, which costs each of them a write."
    )
    audit_access_days: int = Field(
        120,
        ge=1,
        le=36500,
        description="Days after which logins, lists and downloads leave the audit trail. Everything else stays.",
    )
    audit_private_key: SecretStr = Field(
        SecretStr(""), description="Signs the audit trail's seals: an ES256 private key, PEM. Empty: made and kept under `data`."
    )
    audit_previous_public_keys: str = Field(
        "", description="PEM public keys, one after the other, that signed the audit trail before (rotation)."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severe log line that is written.")

    @model_validator(mode="after")
    def _names_the_servers(self) -> Self:
        if self.compaction == "seaweedfs" and not (self.seaweedfs_master and self.seaweedfs_filer):
            raise ValueError(f"{PREFIX}COMPACTION=seaweedfs needs {PREFIX}SEAWEEDFS_MASTER and {PREFIX}SEAWEEDFS_FILER")
        return self

    @model_validator(mode="after")
    def _names_the_scanner(self) -> Self:
        if self.scan == "clamd" and not self.clamd:
            raise ValueError(f"{PREFIX}SCAN=clamd needs {PREFIX}CLAMD")
        return self

    @model_validator(mode="after")
    def _says_one_password(self) -> Self:
        if self.database_password.get_secret_value():
            user, at, _ = self.database_url.partition("://")[2].partition("@")
            if not at or not user or ":" in user:
                raise ValueError(f"{PREFIX}DATABASE_PASSWORD is for a {PREFIX}DATABASE_URL that names a user and no password")
        return self

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # the sources that we leave out come by keyword
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, env_settings: Any, **_other: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _SecretFiles(settings_cls)

    @property
    def database(self) -> str:
        """The database's URL, whichever way it came about."""
        if password := self.database_password.get_secret_value():
            user, at, server = self.database_url.partition("@")
            return f"{user}:{quote(password, safe='')}{at}{server}"
        return self.database_url or f"sqlite:///{self.data.absolute() / 'holdfast.db'}"

    @property
    def policies_folder(self) -> Path:
        """The folder of AssetPolicies, whichever way it came about."""
        return self.policies or self.data / "policies"


class _SecretFiles(PydanticBaseSettingsSource):
    """``HOLDFAST_X_FILE=/run/secrets/x``: the setting's value is what the file holds, without its last line break."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        try:
            return (Path(path).read_text().removesuffix("\n") if path else None), field_name, False
        except OSError as error:
            raise SettingsError(f"{variable}: {path}: {error.strerror}") from error
        except UnicodeDecodeError:  # whose message has what is in the file
            raise SettingsError(f"{variable}: {path} is no text in UTF-8") from None

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}
