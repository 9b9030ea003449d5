"""The words that a policy chooses from. By themselves, so that naming them costs nobody the models."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What a run does to versions."""

    ARCHIVE = "archive"
    DESTROY = "destroy"


class Versions(StrEnum):
    """Which versions of an asset."""

    ANY = "Any"
    CURRENT = "Current"
    SUPERSEDED = "Superseded"


class Start(StrEnum):
    """What the days until destruction count from."""

    ARCHIVE = "Archive"
    UPLOAD = "Upload"


class Precedence(StrEnum):
    """Whose date counts where both the asset and the policy have one."""

    ASSET_FIRST = "AssetFirst"
    POLICY_FIRST = "PolicyFirst"


class Mode(StrEnum):
    """Whether the policy acts."""

    PREVIEW = "Preview"
    ENFORCE = "Enforce"
