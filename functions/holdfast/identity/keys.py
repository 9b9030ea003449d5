"""The keys that sign and verify tokens: from the settings, or made once and kept in the data folder.

Each key has one algorithm and a name (``kid``). A token names its key, and the key says the algorithm: what the token says of its
algorithm is never asked. Keys for ES256 are in ``identity.es256``, so that whoever signs with HS256 does not import
``cryptography``.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from holdfast.settings import Settings

SECRET_BYTES = 32
"""Shortest HS256 secret: as long as the hash (RFC 7518, section 3.2)."""


class KeyUnusable(ValueError):
    """A configured key cannot be used. Says which setting it is, never what the key is."""


@dataclass(frozen=True, slots=True)
class Key:
    """``public`` is the key's public JWK, of those that have one."""

    kid: str
    algorithm: Literal["HS256", "ES256"]
    verifying: Any
    signing: Any = None
    public: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """One key that signs, and all that verify, it among them."""

    signing: Key
    verifying: dict[str, Key]


def load(settings: Settings) -> KeyRing:
    """The keys of ``settings``. Raises KeyUnusable."""
    previous = [
        secret_key(secret.strip().encode(), "HOLDFAST_TOKEN_PREVIOUS_SECRETS")
        for secret in settings.token_previous_secrets.get_secret_value().split(",")
        if secret.strip()
    ]
    signs_es256 = settings.token_algorithm == "ES256"  # noqa: S105  an algorithm is no secret
    if signs_es256 or settings.token_previous_public_keys.strip():
        from holdfast.identity import es256

        previous += es256.public_keys(settings.token_previous_public_keys, "HOLDFAST_TOKEN_PREVIOUS_PUBLIC_KEYS")
    if signs_es256:
        pem = settings.token_private_key.get_secret_value().encode()
        given = pem or kept(settings.data / "token.key", es256.new_private_key)
        signing = es256.private_key(given, "HOLDFAST_TOKEN_PRIVATE_KEY")
    else:
        configured = settings.token_secret.get_secret_value().encode()
        secret = configured or kept(settings.data / "token.secret", lambda: secrets.token_urlsafe(48).encode())
        signing = secret_key(secret, "HOLDFAST_TOKEN_SECRET")
    return KeyRing(signing, {key.kid: key for key in (*previous, signing)})


def secret_key(secret: bytes, setting: str) -> Key:
    """An HS256 key. Its name says nothing about the secret to who does not have it. Raises KeyUnusable naming ``setting``."""
    if len(secret) < SECRET_BYTES:
        raise KeyUnusable(f"{setting}: a secret has {SECRET_BYTES} bytes or more, this one has {len(secret)}")
    kid = hmac.new(secret, b"holdfast token key", hashlib.sha256).hexdigest()[:16]
    return Key(kid, "HS256", verifying=secret, signing=secret)


def kept(path: Path, make: Any) -> bytes:
    """What the file at ``path`` holds; if there is none, ``make()`` is put there first, readable by its owner only. Processes that
    come here at once agree on one content. Raises KeyUnusable when the folder cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _place(path, make())
        return path.read_bytes().strip()
    except OSError as error:
        raise KeyUnusable(f"no key is configured, and none can be kept at {path}: {error.strerror}") from error


def _place(path: Path, content: bytes) -> None:
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename it never replaces what another process put there
        except FileExistsError:
            return
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        draft.unlink()
