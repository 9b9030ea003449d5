"""How the API server's certificate is checked: as kubectl does.

Python 3.13 began to refuse an authority whose certificate does not name its key's uses, or lacks another thing that RFC 5280 asks
for (`ssl.VERIFY_X509_STRICT`, on by default since then). Go's clients do not mind, so there are clusters with such an authority, on
which everything runs but what is written in Python. Signature, validity and host name are checked as ever.
"""

from __future__ import annotations

import ssl

from kubernetes.client import ApiClient, Configuration


def client(configuration: Configuration) -> ApiClient:
    """One that talks to the API server of ``configuration``."""
    made = ApiClient(configuration)
    if configuration.verify_ssl:
        context = lenient(ssl.create_default_context(cafile=configuration.ssl_ca_cert))
        made.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    return made


def lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same, without what only Python asks for."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
