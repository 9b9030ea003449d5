"""A process that does not wait long for its object store."""

from __future__ import annotations

from typing import Any

from tests.stacks import Stack

from holdfast.services import Services
from holdfast.storage.objects.s3 import S3Objects


def impatient_services(stack: Stack, endpoint: str, **changes: Any) -> Services:
    """Whose object store is at ``endpoint``, and is waited for half a second at most, twice. ``changes`` of the settings."""
    services = stack.services(s3_endpoint=endpoint, **changes)
    settings = services.settings
    vars(services)["objects"] = S3Objects(
        endpoint=endpoint,
        bucket=settings.s3_bucket,
        prefix=settings.s3_prefix,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key.get_secret_value(),
        connect_timeout=0.5,
        read_timeout=0.5,
        attempts=2,
    )
    return services
