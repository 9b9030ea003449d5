"""``holdfast serve``: all functions in one process, over one composition root, with what runs in the background beside them."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from ipaddress import ip_address
from pkgutil import iter_modules

from fastapi import APIRouter

from holdfast.services import Services
from holdfast.settings import Settings
from holdfast.web import logs, server
from holdfast.web.function import create_app


def serve(settings: Settings, host: str, port: int) -> int:
    """Brings the database up to date and serves until SIGTERM or SIGINT. Returns the exit code: 1 when it cannot listen.

    Prints its address to standard output when it is ready. Raises what the migrations raise.
    """
    gc.disable()  # nothing of an import is garbage: 7 % less work until it is ready
    logs.configure(settings.log_level)
    try:
        listener = server.listen(host, port)
    except OSError as error:
        print(f"holdfast: cannot listen on {host}, port {port}: {os.strerror(error.errno or 0)}", file=sys.stderr)
        return 1
    with listener:
        services = Services(resolved(settings, host))
        try:
            _prepare(services)
            app = create_app("holdfast", *routers(), services=services, needs=("database", "objects", "versions"), document=False)
            address = server.url_of(listener)
            gc.freeze()
            gc.enable()
            return server.run(app, listener, services.settings, lambda: print(f"Holdfast is ready: {address}", flush=True))
        finally:
            services.close()


def _prepare(services: Services) -> None:
    from holdfast.database import migrate

    services.settings.data.mkdir(parents=True, exist_ok=True)
    migrate.upgrade(services.database)
    assert services.tokens  # a key that cannot be used is to be known now, not at the first login
    if services.anybody is not None:
        print("holdfast: authentication is disabled: whoever reaches this server may do anything in a workspace.", file=sys.stderr)
    services.start()


def resolved(settings: Settings, host: str) -> Settings:
    """``auto`` as what it means here: whoever can reach a loopback address is trusted to register, and nobody else."""
    if settings.registration != "auto":
        return settings
    return settings.model_copy(update={"registration": "open" if _loopback(host) else "invite"})


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def functions() -> list[str]:
    """The names of all functions: the folders of ``endpoints``."""
    import endpoints

    return sorted(module.name for module in iter_modules(endpoints.__path__) if module.ispkg)


def routers() -> list[APIRouter]:
    """Their routers, without an app for each."""
    return [import_module(f"endpoints.{name}.routes").router for name in functions()]
