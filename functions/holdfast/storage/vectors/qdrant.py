"""A Qdrant server, over its REST interface. Nothing searches in it yet: it is asked whether it lets us in, and no more, which needs
none of the 40 MiB of its client."""

from __future__ import annotations

import urllib3
from urllib3.exceptions import HTTPError

from holdfast.storage.objects.port import StoreUnavailable

_TIMEOUT = urllib3.Timeout(connect=3.0, read=10.0)
_REFUSED = (401, 403)


class Qdrant:
    """``url`` is its REST address, ``http://host:6333``, with a path where a proxy has one; ``api_key`` may be empty."""

    def __init__(self, url: str, api_key: str) -> None:
        self._url = url.rstrip("/")
        headers = {"api-key": api_key} if api_key else {}
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False, headers=headers)

    def check(self) -> None:
        """Raises StoreUnavailable when it does not answer, or not us. Its health endpoints would answer without a key, too."""
        try:
            reply = self._pool.request("GET", f"{self._url}/collections", redirect=False)
        except HTTPError as error:
            raise StoreUnavailable("Qdrant does not answer.") from error
        if reply.status in _REFUSED:
            raise StoreUnavailable(f"Qdrant refuses the API key: it answers {reply.status}.")
        if reply.status != 200:
            raise StoreUnavailable(f"Qdrant answers {reply.status}.")
