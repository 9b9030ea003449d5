"""Tokens: JSON Web Tokens that say who somebody is. What he may do is asked of the database each time (``identity.access``).

A token carries what 000's carry (``username``, ``branch``, ``permissions``, ``iat``, ``exp``, ``jti``); branch and permissions tell
a client what to show, and nobody here reads them back. Verification is PyJWT's. Signing with HS256 is done here, in the ten lines
that RFC 7515 makes of it: PyJWT would import ``cryptography``, which costs the ``token`` function a third of its start.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from holdfast.clock import Clock, system
from holdfast.errors import Unauthenticated
from holdfast.identity.access import Claims
from holdfast.identity.keys import Key, KeyRing

ISSUER = "holdfast"
AUDIENCE = "holdfast"
LEEWAY = 5
"""Seconds by which two replicas' clocks may differ."""
LONGEST = 4096
"""Characters of a token; longer ones are refused unread."""
_REQUIRED = ["iss", "aud", "sub", "uid", "epoch", "jti", "iat", "exp"]
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Account:
    """A user as a token is made for him. ``epoch`` is the count that his next password raises."""

    user_id: int
    username: str
    branch: str
    permissions: frozenset[str]
    epoch: int


class Tokens:
    """Issues and verifies. Safe for many threads; every replica with the same keys accepts every other's tokens."""

    def __init__(self, keys: KeyRing, minutes: int, clock: Clock = system) -> None:
        self.minutes = minutes
        self._keys = keys
        self._clock = clock
        # Verified once is verified: a signature does not change. Whether the token still holds is asked each time.
        self._verified: dict[bytes, tuple[Claims, int]] = {}

    def issue(self, account: Account) -> str:
        """A token for ``account`` that holds for ``minutes`` minutes."""
        now = int(self._clock().timestamp())
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account.username,
            "uid": account.user_id,
            "epoch": account.epoch,
            "username": account.username,
            "branch": account.branch,
            "permissions": sorted(account.permissions),
            "jti": secrets.token_hex(16),
            "iat": now,
            "exp": now + 60 * self.minutes,
        }
        return _signed(payload, self._keys.signing)

    def verify(self, token: str) -> Claims:
        """What ``token`` claims, if it is ours and holds now. Raises Unauthenticated."""
        return self._holding(token)[0]

    def expiry(self, token: str) -> datetime:
        """When a token that holds ends. Raises Unauthenticated."""
        return datetime.fromtimestamp(self._holding(token)[1], UTC)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set (RFC 7517); none of HS256, which has only secrets."""
        return {"keys": [key.public for key in self._keys.verifying.values() if key.public is not None]}

    def _holding(self, token: str) -> tuple[Claims, int]:
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        now = self._clock().timestamp()
        known = self._verified.get(digest)
        if known is None:
            known = self._read(token, now)
            if len(self._verified) >= _REMEMBERED:
                self._verified.pop(next(iter(self._verified), b""), None)
            self._verified[digest] = known
        if known[1] <= now - LEEWAY:
            self._verified.pop(digest, None)
            raise Unauthenticated("The token has expired. Log in again.", slug="token-expired")
        return known

    def _read(self, token: str, now: float) -> tuple[Claims, int]:
        import jwt

        refused = Unauthenticated("The token does not hold.")
        if len(token) > LONGEST:
            raise refused
        try:
            key = self._keys.verifying.get(str(jwt.get_unverified_header(token).get("kid")))
            if key is None:
                raise refused
            payload = jwt.decode(
                token,
                key.verifying,
                algorithms=[key.algorithm],
                issuer=ISSUER,
                audience=AUDIENCE,
                # Times are compared here, because the clock can be handed in.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise refused from None
        claims = _claims(payload)
        issued, expires = payload["iat"], payload["exp"]
        if claims is None or type(issued) is not int or type(expires) is not int or issued > now + LEEWAY:
            raise refused
        return claims, expires


def _claims(payload: dict[str, Any]) -> Claims | None:
    """The claims of a payload whose signature holds; None when a field is not what we write."""
    user_id, username, jti, epoch = (payload[name] for name in ("uid", "sub", "jti", "epoch"))
    if type(user_id) is not int or type(epoch) is not int or not isinstance(username, str) or not isinstance(jti, str):
        return None
    return Claims(user_id=user_id, username=username, issuer="", jti=jti, epoch=epoch) if len(jti) <= 32 else None


def _signed(payload: dict[str, Any], key: Key) -> str:
    """The compact serialization (RFC 7515, section 3.1)."""
    if key.algorithm == "ES256":
        import jwt

        return jwt.encode(payload, key.signing, key.algorithm, {"kid": key.kid})
    parts = (_json({"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}), _json(payload))
    signed = b".".join(_base64url(part) for part in parts)
    return b".".join((signed, _base64url(hmac.new(key.signing, signed, hashlib.sha256).digest()))).decode()


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
