"""The key that signs seals and checkpoints: ES256, of its own, from the settings or made once and kept in the data folder.

What is signed is a JSON Web Signature (RFC 7515) that names its key by thumbprint and says in its ``typ`` what it is, so that it
cannot pass for a token, nor a seal for a checkpoint. Only who seals needs the private key; functions hand out what was signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import jwt

from holdfast.identity import es256
from holdfast.identity.keys import KeyRing, kept

if TYPE_CHECKING:
    from holdfast.settings import Settings

Kind = Literal["seal", "checkpoint"]

LONGEST = 4096
"""Characters of what is read; longer ones are refused unread."""


class Unsigned(ValueError):
    """What should be signed is not, or not by a key that is known. Says why."""


class Signing:
    """Signs with one key, and checks with that and its predecessors. Safe for many threads."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def sign(self, kind: Kind, says: dict[str, Any]) -> str:
        """``says`` as a compact JWS."""
        key = self._keys.signing
        return jwt.encode(says, key.signing, key.algorithm, {"kid": key.kid, "typ": _type(kind)})

    def read(self, kind: Kind, signed: str) -> dict[str, Any]:
        """What was signed. Raises Unsigned."""
        try:
            if len(signed) > LONGEST:
                raise Unsigned("it is too long")
            header = jwt.get_unverified_header(signed)
            key = self._keys.verifying.get(str(header.get("kid")))
            if key is None:
                raise Unsigned(f"its key {header.get('kid')!r} is not known here")
            if header.get("typ") != _type(kind):
                raise Unsigned(f"it is no signed {kind}")
            said: dict[str, Any] = jwt.decode(signed, key.verifying, algorithms=[key.algorithm])
        except jwt.PyJWTError as error:
            raise Unsigned("its signature does not hold") from error
        return said

    def public(self) -> list[dict[str, str]]:
        """The public keys as JWKs, the one that signs last."""
        return [key.public for key in self._keys.verifying.values() if key.public is not None]


def load(settings: Settings) -> Signing:
    """Raises KeyUnusable."""
    pem = settings.audit_private_key.get_secret_value().encode()
    signing = es256.private_key(pem or kept(settings.data / "audit.key", es256.new_private_key), "HOLDFAST_AUDIT_PRIVATE_KEY")
    previous = es256.public_keys(settings.audit_previous_public_keys, "HOLDFAST_AUDIT_PREVIOUS_PUBLIC_KEYS")
    return Signing(KeyRing(signing, {key.kid: key for key in (*previous, signing)}))


def _type(kind: Kind) -> str:
    return f"holdfast-{kind}+jwt"
