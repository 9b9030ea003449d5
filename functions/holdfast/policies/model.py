"""``AssetPolicy``, ``holdfast.dev/v1alpha1``: the one source of the resource's schema (``holdfast crd``), of what the planner
reads, and of what the operator checks.

Field names are the YAML's in snake case. Bounds and rules stand here; a rule over several fields has its twin in CEL beside it
(``RULES``), so that the API server refuses what this model refuses, in the same words.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from holdfast.policies.words import Mode, Precedence, Start, Versions

GROUP, VERSION, KIND, PLURAL = "holdfast.dev", "v1alpha1", "AssetPolicy", "assetpolicies"
API_VERSION = f"{GROUP}/{VERSION}"

APPROVE_PLAN = f"{GROUP}/approve-plan"
"""The annotation whose value are digests of plans, comma separated, that may go on although the guard stopped them."""

MAX_DAYS = 36_500
"""A century, as for an asset's own TTLs."""

QUANTITY = r"^(0|[1-9][0-9]{0,15})(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$"
"""Whole numbers of bytes in the notation of Kubernetes' resource quantities."""
_UNITS = {"": 1, **{unit: 1000**power for power, unit in enumerate("kMGTP", 1)}}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGTP", 1)}

UNIQUE = "uniqueItems"
"""JSON Schema's word for a list that names each item once."""

LABEL_KEY = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"


class _Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _as_the_api_server_reads(cls, given: Any) -> Any:
        """A field that is null is absent, and so at its default; a number without a fraction is whole, however it is written."""
        if not isinstance(given, dict):
            return given
        return {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in given.items()
            if value is not None
        }


def _unique(items: list[str]) -> list[str]:
    if len(set(items)) != len(items):
        raise ValueError("each item once")
    return items


Text = Annotated[str, Field(min_length=1, max_length=256)]
Texts = Annotated[list[Text], Field(max_length=50, json_schema_extra={UNIQUE: True}), AfterValidator(_unique)]
LabelKey = Annotated[str, Field(pattern=LABEL_KEY, max_length=63)]
LabelValue = Annotated[str, Field(max_length=256)]
Days = Annotated[int, Field(strict=True, ge=0, le=MAX_DAYS)]


class Workspaces(_Part):
    """Which workspaces the policy is about: those that are named, or all."""

    names: Texts = Field(default=[], description="Names of workspaces, as in `ada_space`.")
    all: bool = Field(default=False, strict=True, description="Every workspace, also those made later.")

    @model_validator(mode="after")
    def _one_of(self) -> Workspaces:
        if bool(self.names) == self.all:
            raise ValueError(WORKSPACES_ONE_OF)
        return self


class Match(_Part):
    """Which versions the policy is about. All that is given must hold; empty matches every version."""

    media_types: Texts = Field(default=[], description="One of these media types; `*` stands for anything, as in `image/*`.")
    paths: Texts = Field(
        default=[], description="One of these asset paths; `*` stands for a part of one segment, `**` for any number of segments."
    )
    labels: dict[LabelKey, LabelValue] = Field(default={}, max_length=32, description="All of these labels, with these values.")
    versions: Versions = Field(
        default=Versions.ANY,
        description="`Current`: an asset's newest version that is not destroyed; `Superseded`: all before that one; `Any`: both.",
    )
    larger_than: Annotated[str, Field(pattern=QUANTITY, max_length=20)] | None = Field(
        default=None, description="Versions of more than so many bytes, all their files together, as in `10Mi`."
    )

    @property
    def narrows(self) -> bool:
        """Whether it leaves any version out."""
        return self != Match()

    @property
    def more_than_bytes(self) -> int | None:
        return None if self.larger_than is None else parse_quantity(self.larger_than)


class Archive(_Part):
    """When versions are archived."""

    after_days: Days = Field(description="Whole days from the upload, or from the last restore. 0: at once.")


class Destroy(_Part):
    """When archived versions are destroyed: condemned, and purged once `undoDays` have passed."""

    after_days: Days = Field(description="Whole days from what `from` names. 0: at once.")
    start: Start = Field(
        default=Start.ARCHIVE,
        alias="from",
        description="`Archive`: from the last archiving, by whomever; `Upload`: from the upload, or from the last restore, and "
        "then later than archive.",
    )


class Guard(_Part):
    """How much one run may do. A run that would do more does nothing, until its plan is approved."""

    max_items: int = Field(
        default=10_000, strict=True, ge=0, le=1_000_000_000, description="Most versions that one run archives or destroys."
    )
    max_percent: int = Field(
        default=10,
        strict=True,
        ge=0,
        le=100,
        description="Most of all live versions that `match`, in percent. Counts from 100 matching versions on.",
    )


class Spec(_Part):
    """What an AssetPolicy declares."""

    workspaces: Workspaces = Field(description="Which workspaces the policy is about.")
    match: Match = Field(default=Match(), description="Which versions in them. Empty: every version.")
    archive: Archive | None = Field(default=None, description="When versions are archived. Absent: not by this policy.")
    destroy: Destroy | None = Field(default=None, description="When archived versions are destroyed. Absent: not by this policy.")
    precedence: Precedence = Field(
        default=Precedence.ASSET_FIRST,
        description="Where a version has a TTL of its own: `AssetFirst`, that TTL counts, for archive and destroy each; "
        "`PolicyFirst`, the policy.",
    )
    keep_last: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=10_000,
        description="So many of an asset's newest versions that are not destroyed are left alone by destroy.",
    )
    schedule: Text = Field(default="@daily-random", description="A cron expression, or `@daily-random`: a time of day of its own.")
    time_zone: Text = Field(default="Etc/UTC", description="The IANA time zone of the schedule.")
    mode: Mode = Field(default=Mode.PREVIEW, description="`Preview` shows what the policy would do; `Enforce` does it.")
    suspend: bool = Field(default=False, strict=True, description="Nothing is done and nothing is planned while true.")
    guard: Guard = Field(default=Guard(), description="How much one run may do without anybody's approval.")
    undo_days: Days = Field(default=7, description="Days for which what the policy destroyed can be restored.")

    @model_validator(mode="after")
    def _together(self) -> Spec:
        for holds, message in ((self._does_something(), DOES_NOTHING), (self._destroys_later(), DESTROYS_TOO_EARLY)):
            if not holds:
                raise ValueError(message)
        return self

    def _does_something(self) -> bool:
        return self.archive is not None or self.destroy is not None

    def _destroys_later(self) -> bool:
        if self.archive is None or self.destroy is None or self.destroy.start is Start.ARCHIVE:
            return True
        return self.destroy.after_days > self.archive.after_days


DOES_NOTHING = "a policy has archive, destroy or both"
DESTROYS_TOO_EARLY = "destroy.afterDays counted from Upload must be greater than archive.afterDays"
BAD_LABEL_KEY = "a label's key has up to 63 letters, digits and . _ / -, and begins with a letter or digit"
WORKSPACES_ONE_OF = "workspaces takes names, or all: true, and not both"

RULES: tuple[tuple[str, str, str], ...] = (
    ("spec", "has(self.archive) || has(self.destroy)", DOES_NOTHING),
    (
        "spec",
        "!has(self.archive) || !has(self.destroy) || self.destroy.from != 'Upload'"
        " || self.destroy.afterDays > self.archive.afterDays",
        DESTROYS_TOO_EARLY,
    ),
    ("spec.workspaces", "(has(self.names) && size(self.names) > 0) != self.all", WORKSPACES_ONE_OF),
    ("spec.match.labels", f"self.all(key, key.matches('{LABEL_KEY}'))", BAD_LABEL_KEY),
)
"""Where in the schema, the rule in CEL, and what it says when it does not hold."""


class Metadata(BaseModel):
    """What of a resource's metadata matters here."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$", max_length=253)]
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", max_length=63)] = "default"
    generation: int = Field(default=1, ge=0)
    annotations: dict[str, str] = {}


class AssetPolicy(BaseModel):
    """The whole resource, as in YAML. Raises pydantic's ValidationError, which names each wrong field."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)

    api_version: Literal["holdfast.dev/v1alpha1"] = API_VERSION  # type: ignore[assignment]
    kind: Literal["AssetPolicy"] = KIND  # type: ignore[assignment]
    metadata: Metadata
    spec: Spec

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def enforcing(self) -> bool:
        return self.spec.mode is Mode.ENFORCE and not self.spec.suspend


def parse_quantity(text: str) -> int:
    """Bytes. Raises ValueError."""
    found = re.fullmatch(QUANTITY.strip("^$"), text)
    if found is None:
        raise ValueError(f"not a whole number of bytes: {text!r}")
    number, unit = found.groups()
    return int(number) * int(_UNITS[unit or ""])


def dump(policy: AssetPolicy) -> dict[str, Any]:
    """As in YAML, without what is at its default."""
    return {"apiVersion": API_VERSION, "kind": KIND, **policy.model_dump(mode="json", by_alias=True, exclude_defaults=True)}
