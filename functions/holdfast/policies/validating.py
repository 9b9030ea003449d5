"""A policy from what YAML or JSON brought, or a problem that names what is wrong with it."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from holdfast.errors import Invalid
from holdfast.policies.model import AssetPolicy


def validated(document: Any) -> AssetPolicy:
    """The policy. Raises Invalid."""
    try:
        return AssetPolicy.model_validate(document)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'policy'}: {_reason(e['msg'])}" for e in error.errors()[:5])
        raise Invalid(f"This is no AssetPolicy: {said}.", slug="bad-policy") from None


def _reason(message: str) -> str:
    return message.removeprefix("Value error, ")
