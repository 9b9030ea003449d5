"""Stands between the operator and the API server, and loses what passes. It sees no more than the bytes of TLS."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit


class Proxy:
    """Listens on a free port of the loopback."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """`kubeconfig` afterwards is one that leads through the proxy, made in `folder`."""
        given = json.loads(kubeconfig.read_text())
        cluster = given["clusters"][0]["cluster"]
        self._server = urlsplit(cluster["server"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        cluster["server"] = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(given))
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._frozen: set[int] = set()
        self._refusing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Every connection ends, and none is taken until `mend`."""
        with self._lock:
            self._refusing = True
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def mend(self) -> None:
        self._refusing = False

    def freeze(self) -> None:
        """Nothing more comes over the connections that there are, and neither side is told. New ones work."""
        with self._lock:
            self._frozen |= {id(one) for one in self._open}

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            if self._refusing:
                client.close()
                continue
            server = socket.create_connection((self._server.hostname or "", self._server.port or 443))
            with self._lock:
                self._open += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if id(source) not in self._frozen:
                    target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        source.close()
