"""Moments in queries and bodies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the moment is before the year 1 or after the year 9999, in UTC") from None


UtcMoment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""In UTC; a year that databases cannot hold is refused."""

Moment = Annotated[UtcMoment | None, Query(description="ISO 8601 with an offset or Z.")]
