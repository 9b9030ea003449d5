"""The two things that a policy does. By itself, so that naming them costs nobody the models."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    """What a run does to versions."""

    ARCHIVE = "archive"
    DESTROY = "destroy"
