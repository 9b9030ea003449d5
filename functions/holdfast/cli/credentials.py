"""Whom the client commands speak for: one server and one token, in a file that only its owner can read."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from holdfast.cli.failures import NOT_ALLOWED, Failure

URL_VARIABLE = "HOLDFAST_URL"
DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Credentials:
    """``branch`` is the workspace that the user works in."""

    url: str
    username: str
    branch: str
    token: str


def path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where they are kept: below ``XDG_CONFIG_HOME``, which is ``~/.config`` unless set (XDG Base Directory Specification)."""
    base = environment.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(base) / "holdfast" / "credentials.json"


def load(environment: Mapping[str, str] = os.environ) -> Credentials:
    """Raises Failure when nobody is logged in, or at another server than ``HOLDFAST_URL`` names: a token goes to no other."""
    try:
        kept = Credentials(**json.loads(path(environment).read_text()))
    except FileNotFoundError:
        raise Failure("You are not logged in: run `holdfast login`.", NOT_ALLOWED) from None
    except (ValueError, TypeError):
        raise Failure(f"{path(environment)} cannot be read: run `holdfast login`.", NOT_ALLOWED) from None
    wanted = environment.get(URL_VARIABLE, kept.url).rstrip("/")
    if wanted != kept.url:
        raise Failure(f"You are logged in at {kept.url}, not at {wanted}: run `holdfast login`.", NOT_ALLOWED)
    return kept


def save(credentials: Credentials, environment: Mapping[str, str] = os.environ) -> Path:
    """Writes the file whole, readable by its owner alone, and returns where it is."""
    place = path(environment)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(dir=place.parent)  # mode 0600
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(credentials), file, indent=2)
    Path(fresh).replace(place)
    return place


def forget(environment: Mapping[str, str] = os.environ) -> None:
    path(environment).unlink(missing_ok=True)
