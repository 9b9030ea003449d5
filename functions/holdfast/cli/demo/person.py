"""Somebody who uses the server: the demo's steps in his name, over HTTP, each checked."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.cli.api import Api, path
from holdfast.cli.failures import Failure, Refusal
from holdfast.cli.multipart import Body, Part
from holdfast.cli.progress import Meter


class Person:
    """Speaks to one server. ``password`` is made up anew; whoever holds a grant is logged in by ``log_in``."""

    def __init__(self, url: str, username: str) -> None:
        self.username = username
        self.password = secrets.token_urlsafe(12)
        self._url = url
        self._api = Api(url)

    def register(self) -> None:
        self.call("POST", "/users", json={"username": self.username, "password": self.password})

    def log_in(self) -> str:
        """Returns the name of the workspace."""
        token = self.call("POST", "/token", form={"username": self.username, "password": self.password})
        self._api = Api(self._url, token["access_token"])
        return str(token["branch"])

    def call(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        return self._api.call(method, url, **options)

    def items(self, url: str, **filters: str) -> list[dict[str, Any]]:
        """All items of a listing."""
        return list(self._api.pages(url, filters))

    def upload(self, primary: Path, associated: Sequence[Path] = (), **fields: str) -> dict[str, Any]:
        parts = [Part.of("primary_file", primary), *(Part.of("associated_files", extra) for extra in associated)]
        return self._send("/fileupload", Body(list(fields.items()), parts), primary.name)

    def add(self, asset: Mapping[str, Any], *files: Path) -> dict[str, Any]:
        body = Body([("primary_version_id", asset["version_id"])], [Part.of("associated_files", file) for file in files])
        return self._send(path("add-associated-files", asset["asset_path"]), body, asset["asset_path"])

    def change(self, act: str, asset: Mapping[str, Any]) -> dict[str, Any]:
        """``act`` is ``filearchive``, ``filerestore`` or ``delfile``."""
        return self.call("POST", path(act, asset["asset_path"], asset["version_id"]))

    def download(self, asset: Mapping[str, Any], file: str | None = None) -> str:
        """Reads a file's content to its end, and returns its sha256."""
        url = path("content", asset["asset_path"])
        return read(self._api, url, {"version_id": asset["version_id"], "file": file})

    def refused(self, status: int, act: str, *arguments: Any, **options: Any) -> str:
        """Does what the server must refuse with ``status``; returns what it says. Raises Failure when it does not."""
        try:
            getattr(self, act)(*arguments, **options)
        except Refusal as refusal:
            if refusal.status != status:
                raise Failure(f"{self.username}: {act} was answered {refusal.status}, not {status}: {refusal.message}") from refusal
            return refusal.message
        raise Failure(f"{self.username}: {act} was allowed, and should be answered {status}.")

    def _send(self, url: str, body: Body, name: str) -> dict[str, Any]:
        with Meter(name, body.length) as meter:
            return self._api.send(url, body, {"Idempotency-Key": str(uuid.uuid4())}, patience=60, meter=meter)


def read(api: Api, url: str, params: Mapping[str, str | None]) -> str:
    """The sha256 of what is at ``url``, which is read without holding it."""
    sha256 = hashlib.sha256()
    with api.open(url, params, {}) as response:
        for chunk in response.iter_bytes():
            sha256.update(chunk)
    return sha256.hexdigest()


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
