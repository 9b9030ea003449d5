"""When a version is due by the policies in force and by its own TTLs. Pure: the planner, the sweeper's own look at each item, and
what an asset's metadata says of its end all ask here.

Field by field (archive, destroy): every enforcing policy that matches the version and has the field has an opinion; with
``AssetFirst`` it is the version's own date, where it has one. The latest opinion counts, and *never* is later than any date: a
version that one policy keeps (``keepLast``) is destroyed by no other. Without an opinion the version's own date counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from holdfast.matching import labels_match, media_type_matcher, path_matcher
from holdfast.policies.words import Action, Precedence, Start, Versions

if TYPE_CHECKING:
    from holdfast.policies.model import AssetPolicy

TTL = "ttl"
"""What names a version's own TTL, where a policy would be named by its key."""

NEVER = datetime.max.replace(tzinfo=UTC)
"""Later than any date."""


FROM = {Action.ARCHIVE: "active", Action.DESTROY: "archived"}
"""The status that a version has before."""


LIVE = tuple(FROM.values())
"""The statuses of live versions."""


class Facts(NamedTuple):
    """What decides about a live version: active or archived. TTLs in days, moments aware, ``bytes`` of all its files."""

    id: int
    asset_id: int
    number: int
    asset_path: str
    version_id: str
    content_type: str
    status: str
    held: int
    archive_ttl: int | None
    destroy_ttl: int | None
    active_since: datetime
    archive_date: datetime | None
    destroy_date: datetime | None
    bytes: int
    labels: Mapping[str, str]
    workspace: str
    rank: int
    """1 for the asset's newest live version, 2 for the one before it …"""


class Opinion(NamedTuple):
    """When a version is due, and by what: ``TTL``, or a policy's key."""

    at: datetime
    by: str


class Rule:
    """A policy, made ready to be asked about many versions."""

    def __init__(self, policy: AssetPolicy) -> None:
        spec = policy.spec
        self.policy = policy
        self.key = policy.key
        self.asset_first = spec.precedence is Precedence.ASSET_FIRST
        self._workspaces = None if spec.workspaces.all else frozenset(spec.workspaces.names)
        self._path = path_matcher(tuple(spec.match.paths)) if spec.match.paths else None
        self._media_type = media_type_matcher(tuple(spec.match.media_types)) if spec.match.media_types else None
        self._labels = spec.match.labels
        self._versions = spec.match.versions
        self._more_than = spec.match.more_than_bytes
        self._narrowed = spec.match.narrows
        self._days = {
            action: None if part is None else timedelta(days=part.after_days)
            for action, part in ((Action.ARCHIVE, spec.archive), (Action.DESTROY, spec.destroy))
        }
        self._from_upload = spec.destroy is not None and spec.destroy.start is Start.UPLOAD

    @property
    def ranks(self) -> bool:
        """Whether it asks for a version's rank."""
        return self._versions is not Versions.ANY or self.policy.spec.keep_last > 0

    def acts(self, action: Action) -> bool:
        """Whether the policy has this field."""
        return self._days[action] is not None

    def reaches(self, workspace: str) -> bool:
        return self._workspaces is None or workspace in self._workspaces

    def matches(self, version: Facts) -> bool:
        """Whether the policy is about it."""
        return self.reaches(version.workspace) and (not self._narrowed or self._fits(version))

    def _fits(self, version: Facts) -> bool:
        return (
            (self._more_than is None or version.bytes > self._more_than)
            and (self._versions is Versions.ANY or (version.rank == 1) == (self._versions is Versions.CURRENT))
            and (self._path is None or self._path(version.asset_path))
            and (self._media_type is None or self._media_type(version.content_type))
            and (not self._labels or labels_match(self._labels, version.labels))
        )

    def opinion(self, version: Facts, action: Action) -> Opinion | None:
        """When a version that it matches is due by it; None without the field, or without a date to count from."""
        if self.asset_first and self.acts(action) and (own := own_date(version, action)) is not None:
            return Opinion(own, TTL)
        return self.declared(version, action)

    def declared(self, version: Facts, action: Action) -> Opinion | None:
        """The same by the policy alone, whatever TTLs the version has."""
        if self.keeps(version, action):
            return Opinion(NEVER, self.key)
        at = self.counted(version, action)
        return None if at is None else Opinion(at, self.key)

    def keeps(self, version: Facts, action: Action) -> bool:
        """Whether ``keepLast`` stops the field."""
        return action is Action.DESTROY and self.acts(action) and version.rank <= self.policy.spec.keep_last

    def counted(self, version: Facts, action: Action) -> datetime | None:
        """The policy's own date, whatever it keeps."""
        days = self._days[action]
        start = version.active_since if action is Action.ARCHIVE or self._from_upload else version.archive_date
        return None if days is None or start is None else start + days


class Decision(NamedTuple):
    """What counts for a version. ``opponents``: the policies whose opinion is another one than what counts."""

    at: datetime
    by: str
    opponents: tuple[str, ...]


def own_date(version: Facts, action: Action) -> datetime | None:
    """When the version is due by its own TTL; None without one."""
    if action is Action.ARCHIVE:
        return version.archive_date if version.archive_ttl is not None else None
    return version.destroy_date if version.destroy_ttl is not None else None


def decide(version: Facts, action: Action, rules: Iterable[Rule]) -> Decision | None:
    """When ``action`` is due for the version, given the enforcing ``rules``; None when nothing ever says so."""
    opinions = []
    for rule in rules:
        if rule.acts(action) and rule.matches(version) and (opinion := rule.opinion(version, action)) is not None:
            opinions.append((rule.key, opinion))
    if not opinions:
        own = own_date(version, action)
        return None if own is None else Decision(own, TTL, ())
    if len(opinions) == 1:  # as it mostly is, of ten million versions
        return Decision(*opinions[0][1], ())
    at, by = max((opinion for _, opinion in opinions), key=lambda opinion: opinion.at)
    return Decision(at, by, tuple(key for key, opinion in opinions if opinion.at != at))


def ends(version: Facts, rules: Sequence[Rule]) -> Opinion | None:
    """When the version will be destroyed, if nothing changes, and by what: from an active one the archiving comes first. None when
    it never will be, or a hold covers it."""
    if version.held > 0:
        return None
    if version.status == FROM[Action.ARCHIVE]:
        archived = decide(version, Action.ARCHIVE, rules)
        if archived is None or archived.at is NEVER:
            return None
        version = version._replace(status=FROM[Action.DESTROY], archive_date=archived.at, destroy_date=_own_end(version, archived))
    found = decide(version, Action.DESTROY, rules)
    return None if found is None or found.at is NEVER else Opinion(max(found.at, version.archive_date or found.at), found.by)


def _own_end(version: Facts, archived: Decision) -> datetime | None:
    """The own destroy date that archiving then would give it."""
    if version.destroy_ttl is None:
        return None
    return version.destroy_date if archived.by == TTL else archived.at + timedelta(days=version.destroy_ttl)
