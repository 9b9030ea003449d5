"""Links to content: signed, for some minutes, without a token, and never longer than the version's own destroy date.

Where the store has a public address the link is the store's own. Otherwise it leads to ``/content``, and its signature covers all
that it says: workspace, asset, version, file, and until when. A link is as good as the bytes: it is never logged.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlencode

from holdfast.assets.dates import expires
from holdfast.errors import Forbidden
from holdfast.web.content import disposition, safe_type

if TYPE_CHECKING:
    from holdfast.storage.objects import Objects


A_SECOND = timedelta(seconds=1)
"""No link of a store holds for less. Of a version's last second the link is our own, which never outlives it."""


class Linked(Protocol):
    """What of a version a link depends on."""

    @property
    def asset_path(self) -> str: ...
    @property
    def version_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def held(self) -> int: ...
    @property
    def destroy_date(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Target:
    """One file. ``commit_id`` is the commit that brought it."""

    key: str
    filename: str
    content_type: str
    commit_id: str


class Links:
    """Makes links, and says whether one that comes back is ours. ``secret`` is kept by the installation."""

    def __init__(self, secret: bytes, minutes: int) -> None:
        self._secret = secret
        self._minutes = minutes

    def make(
        self,
        objects: Objects,
        workspace: str,
        version: Linked,
        file: Target,
        base_url: str,
        now: datetime,
        *,
        minutes: int | None = None,
    ) -> str:
        """A link to a file of a readable version. ``base_url`` is our own public address, without a slash at the end. ``minutes``:
        how long it holds at most, if that is less than the setting says."""
        until = now + timedelta(minutes=min(self._minutes, minutes or self._minutes))
        ends = expires(version)
        if ends is not None and ends < until:
            until = ends
        kind = safe_type(file.content_type)
        if until - now >= A_SECOND:
            of_store = objects.link(file.key, expires=until, content_type=kind, disposition=disposition(file.filename, kind))
            if of_store is not None:
                return of_store
        parts = (workspace, version.asset_path, version.version_id, file.filename, str(int(until.timestamp())))
        names = ("workspace", "version_id", "file", "expires", "signature")
        query = urlencode(dict(zip(names, (parts[0], *parts[2:], self._sign(parts)), strict=True)))
        return f"{base_url}/content/{quote(version.asset_path)}?{query}"

    def check(self, asset_path: str, query: Mapping[str, str], now: datetime) -> str:
        """The name of the workspace whose file a signed link gives. Raises Forbidden unless the link is ours and still holds."""
        given = tuple(query.get(name, "") for name in ("workspace", "version_id", "file", "expires"))
        parts = (given[0], asset_path, *given[1:])
        if not hmac.compare_digest(self._sign(parts).encode(), query.get("signature", "").encode("utf-8", "replace")):
            raise Forbidden("The link is not one of ours, or was changed.", slug="bad-link")
        if now >= datetime.fromtimestamp(int(given[3]), UTC):  # signed, so it is a number
            raise Forbidden("The link has expired.", slug="link-expired")
        return given[0]

    def lasting(self, name: str) -> str:
        """The signature of what may be had for ever by whoever has it, as long as it is there and its owner lets it."""
        return self._sign(("lasting", name))

    def check_lasting(self, name: str, signature: str) -> None:
        """Raises Forbidden unless the signature is ours."""
        if not hmac.compare_digest(self.lasting(name).encode(), signature.encode("utf-8", "replace")):
            raise Forbidden("The link is not one of ours, or was changed.", slug="bad-link")

    def _sign(self, parts: tuple[str, ...]) -> str:
        text = json.dumps(parts, ensure_ascii=False)  # unlike joined text, it tells where each part ends
        return hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), "sha256").hex()
