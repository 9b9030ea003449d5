"""What a hold is about: its matter, and which versions it covers, present and future. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from holdfast.matching import labels_match, media_type_matcher, path_matcher
from holdfast.web.moments import UtcMoment

MOST_NAMES = 500
"""Assets or versions that one hold can name; there is no bound to how many a selector matches."""


class Coverable(Protocol):
    """What of a version decides whether a hold covers it."""

    @property
    def asset_path(self) -> str: ...
    @property
    def version_id(self) -> str: ...
    @property
    def content_type(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Glob = Annotated[str, Field(min_length=1, max_length=256)]
Globs = Annotated[list[Glob], Field(max_length=50)]
AssetPath = Annotated[str, Field(min_length=1, max_length=400)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class Selector(_Part):
    """All that is given must hold. ``all`` alone matches everything."""

    paths: Globs = Field(default=[], description="One of these asset paths; `*` within a segment, `**` across segments.")
    media_types: Globs = Field(default=[], description="One of these media types, as in `image/*`.")
    labels: dict[Annotated[str, Field(min_length=1, max_length=63)], Annotated[str, Field(max_length=256)]] = Field(
        default={}, max_length=32, description="All of these labels, with these values."
    )
    all: bool = Field(default=False, description="Every version.")

    @model_validator(mode="after")
    def _says_something(self) -> Selector:
        if self.all == bool(self.paths or self.media_types or self.labels):
            raise ValueError("name paths, media_types or labels; or all, and nothing else")
        return self

    def may_match(self, version: Coverable) -> bool:
        """Whether it matches but for the labels, the only part of this that can change."""
        return path_matcher(tuple(self.paths))(version.asset_path) and media_type_matcher(tuple(self.media_types))(
            version.content_type
        )

    def matches(self, version: Coverable) -> bool:
        return self.may_match(version) and labels_match(self.labels, version.labels)


class VersionName(_Part):
    """One version of the workspace."""

    asset_path: AssetPath
    version_id: str = Field(min_length=1, max_length=64)


class Scope(_Part):
    """One of the three. Whatever comes to match is covered from then on: a selector's and an asset's future versions, too."""

    selector: Selector | None = None
    assets: Annotated[list[AssetPath], Field(min_length=1, max_length=MOST_NAMES)] | None = None
    versions: Annotated[list[VersionName], Field(min_length=1, max_length=MOST_NAMES)] | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Scope:
        if sum(given is not None for given in (self.selector, self.assets, self.versions)) != 1:
            raise ValueError("name a selector, assets or versions: one of them")
        return self

    def covers(self, version: Coverable) -> bool:
        """Whether it covers the version as it is now."""
        if self.selector is not None:
            return self.selector.matches(version)
        if self.assets is not None:
            return version.asset_path in self.assets
        return VersionName(asset_path=version.asset_path, version_id=version.version_id) in (self.versions or ())

    def may_cover(self, version: Coverable) -> bool:
        """Whether it covers the version with some labels or other."""
        return self.covers(version) if self.selector is None else self.selector.may_match(version)

    def asset_paths(self) -> Sequence[str] | None:
        """The only assets that can be covered; None when they are not named."""
        if self.versions is not None:
            return sorted({name.asset_path for name in self.versions})
        return None if self.assets is None else sorted(set(self.assets))

    def as_json(self) -> dict[str, Any]:
        """What is kept of it, and shown: only what was given."""
        return self.model_dump(include=set(Scope.model_fields), exclude_defaults=True)


class NewHold(Scope):
    """A hold that somebody wants to place."""

    matter: Line = Field(description="What it is about, as in `Doe v. Example`. Several holds may be of one matter.")
    reason: Words = Field(description="Why.")
    until: UtcMoment | None = Field(default=None, description="When it is released by itself. Without it: never.")
    workspace: str | None = Field(default=None, max_length=80, description="For platform admins: another workspace than their own.")
    all_workspaces: bool = Field(default=False, description="For platform admins: every workspace, also those to come.")

    @model_validator(mode="after")
    def _names_are_of_one_workspace(self) -> NewHold:
        if self.all_workspaces and (self.selector is None or self.workspace is not None):
            raise ValueError("all_workspaces goes with a selector, and with no workspace")
        return self
