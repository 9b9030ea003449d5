"""What becomes of a stored intent: the rules, as a pure function over what the committer has read under its lease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from holdfast.assets import dates, names
from holdfast.errors import Conflict, Forbidden, Gone, NotFound, PreconditionFailed, Problem, TooLarge


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it is registered: of an upload, or of a version."""

    filename: str
    path: str
    sha256: str | None
    """None while it is not known."""
    primary: bool
    size: int = 0


@dataclass(frozen=True, slots=True)
class VersionState:
    """A version as it is now. ``destroy_date`` is its own recorded one."""

    id: int
    version_id: str
    number: int
    status: str
    files: tuple[FileState, ...]
    destroy_date: datetime | None
    held: int


@dataclass(frozen=True, slots=True)
class AssetState:
    """What is under an asset path: nothing yet (``primary_filename`` None), or versions."""

    primary_filename: str | None = None
    head: VersionState | None = None
    """The newest version whatever its status: what lies at the branch's head."""
    newest_active: VersionState | None = None
    target: VersionState | None = None
    """The version that an intent to add files names."""
    any_kept: bool = False
    """Whether any version is not destroyed."""


@dataclass(frozen=True, slots=True)
class IntentState:
    """What an intent asks for."""

    upload_id: str
    adds: bool
    asset_path: str
    primary_filename: str
    target_version: str | None
    must_be_new: bool
    files: tuple[FileState, ...]
    permitted: bool
    """Whether its user may upload, now."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Commit it. ``paths`` are where the intent's files go, in their order; ``deletes`` leave the branch's head with it."""

    paths: tuple[str, ...]
    deletes: tuple[str, ...]
    target: VersionState | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing new: what was sent is what ``version`` holds."""

    version: VersionState


@dataclass(frozen=True, slots=True)
class Refuse:
    """It cannot be published."""

    problem: Problem


Verdict = Publish | Unchanged | Refuse


def decide(intent: IntentState, asset: AssetState, room: int | None, now: datetime) -> Verdict:
    """``room`` is what the workspace's quota leaves, in bytes; None: no quota."""
    if not intent.permitted:
        return Refuse(Forbidden("This needs the permission upload."))
    verdict = _add(intent, asset, now) if intent.adds else _upload(intent, asset, now)
    if isinstance(verdict, Publish) and room is not None and sum(f.size for f in intent.files) > room:
        return Refuse(TooLarge("The workspace's quota is used up.", slug="quota-exceeded"))
    return verdict


def _upload(intent: IntentState, asset: AssetState, now: datetime) -> Verdict:
    if asset.primary_filename is not None and asset.primary_filename != intent.primary_filename:
        return Refuse(
            Conflict(
                f"{intent.asset_path} already holds a file of another name. Rename the file: two names never share an asset path.",
                slug="name-collision",
                asset_path=intent.asset_path,
            )
        )
    if intent.must_be_new and asset.any_kept:
        return Refuse(PreconditionFailed(f"{intent.asset_path} is already there.", asset_path=intent.asset_path))
    newest = asset.newest_active
    if newest is not None and dates.readable(newest, now) and _same(intent.files, newest.files):
        return Unchanged(newest)
    paths = tuple(names.path_on_branch(intent.asset_path, f.filename) for f in intent.files)
    at_head = (f.path for f in asset.head.files) if asset.head else ()
    stale = tuple(p for p in at_head if p not in paths and p.startswith(intent.asset_path + "/"))
    return Publish(paths, stale, None)


def _add(intent: IntentState, asset: AssetState, now: datetime) -> Verdict:
    target = asset.target if intent.target_version is not None else asset.newest_active
    if asset.primary_filename is None or (intent.target_version is not None and target is None):
        return Refuse(NotFound("There is no such version."))
    if target is None or target.status != "active":
        return Refuse(Conflict("Files can only be added to an active version.", slug="not-active"))
    if not dates.readable(target, now):
        return Refuse(Gone("The version's time is over."))
    there = {names.safe(f.filename): f for f in target.files}
    for file in intent.files:
        other = there.get(names.safe(file.filename))
        if other is not None and (other.primary or other.filename != file.filename):
            which = "the primary file" if other.primary else "another associated file"
            return Refuse(Conflict(f"The name of {which} would be the same: {other.filename}.", slug="name-collision"))
    if _same(intent.files, target.files):
        return Unchanged(target)
    beside_head = None if asset.head is not None and asset.head.id == target.id else target.version_id
    paths = tuple(names.path_on_branch(intent.asset_path, f.filename, version_id=beside_head) for f in intent.files)
    return Publish(paths, (), target)


def _same(sent: Sequence[FileState], there: Sequence[FileState]) -> bool:
    """Whether every file that was sent is there with the same bytes, as far as that is known. A file that was not sent does not
    count."""
    known = {(f.filename, f.primary): f.sha256 for f in there}
    return all(f.sha256 is not None and known.get((f.filename, f.primary)) == f.sha256 for f in sent)
