"""The server that the user is logged in at, for the client commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.cli import credentials

if TYPE_CHECKING:
    from holdfast.cli.api import Api


@contextmanager
def logged_in() -> Iterator[Api]:
    """Raises Failure when nobody is logged in."""
    kept = credentials.load()
    from holdfast.cli.api import Api

    with Api.of(kept) as api:
        yield api
