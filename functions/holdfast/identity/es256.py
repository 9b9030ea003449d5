"""ES256 keys (ECDSA on P-256, RFC 7518 section 3.4), named by their thumbprint (RFC 7638)."""

from __future__ import annotations

import base64
import hashlib
import json
import re

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from holdfast.identity.keys import Key, KeyUnusable

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)


def new_private_key() -> bytes:
    """A fresh private key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def private_key(pem: bytes, setting: str) -> Key:
    """The key that signs. Raises KeyUnusable naming ``setting``."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnusable(f"{setting}: this is no unencrypted PEM private key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyUnusable(f"{setting}: ES256 needs a key on the curve P-256")
    return _key(key.public_key(), key)


def public_keys(pems: str, setting: str) -> list[Key]:
    """Keys that only verify, from PEM documents one after the other. Raises KeyUnusable naming ``setting``."""
    found = [match.group(0) for match in _PEM.finditer(pems)]
    if _PEM.sub("", pems).strip():
        raise KeyUnusable(f"{setting}: this is not a row of PEM public keys")
    return [_public_key(pem.encode(), setting) for pem in found]


def _public_key(pem: bytes, setting: str) -> Key:
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise KeyUnusable(f"{setting}: one of them is no PEM public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyUnusable(f"{setting}: ES256 needs keys on the curve P-256")
    return _key(key, None)


def _key(public: ec.EllipticCurvePublicKey, private: ec.EllipticCurvePrivateKey | None) -> Key:
    numbers = public.public_numbers()
    jwk = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    canonical = json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode()
    kid = _base64url(hashlib.sha256(canonical).digest())
    return Key(kid, "ES256", public, private, {**jwk, "kid": kid, "use": "sig", "alg": "ES256"})


def _coordinate(number: int) -> str:
    return _base64url(number.to_bytes(32, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
