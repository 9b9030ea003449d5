"""The worker's own HTTP: ``/healthz``, ``/readyz`` and ``/metrics``, from a thread beside its work."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from socket import socket
from typing import TYPE_CHECKING

from holdfast.services import Services
from holdfast.web import server
from holdfast.web.function import create_app

if TYPE_CHECKING:
    from holdfast.jobs.repeating import Runner
    from holdfast.settings import Settings


@contextmanager
def answering(settings: Settings, listener: socket, runners: Sequence[Runner]) -> Iterator[None]:
    """Answers at ``listener`` while the block lasts: alive while all ``runners`` go on, ready while the database answers."""
    # The app closes its services when it ends, so they are not those that the runners work with.
    own = Services(settings)
    app = create_app("worker", services=own, needs=("database",), document=False, alive=lambda: all(one.alive() for one in runners))
    running = server.server(app, settings, lambda: None)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, name="worker-http")
    thread.start()
    try:
        yield
    finally:
        running.should_exit = True
        thread.join()
