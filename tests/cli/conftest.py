"""A real `holdfast serve` for the whole run, and users of it who run the program."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import HOLDFAST, Program
from tests.cli.proxy import Proxy, between
from tests.servers.process import Process, answers, free_ports, fresh_folder

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Served:
    url: str
    data: Path


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    folder, [port] = fresh_folder("serve"), free_ports(1)
    process = Process("holdfast", [HOLDFAST, "serve", "--data", folder / "data", "--port", str(port)], folder)
    server = Served(f"http://127.0.0.1:{port}", folder / "data")
    process.wait_until(lambda: answers(f"{server.url}/readyz"))
    try:
        yield server
    finally:
        process.stop()


_numbers = itertools.count(1)


@pytest.fixture
def nobody(served: Served, tmp_path: Path) -> Program:
    """The program at the server, with nobody logged in."""
    return at_home(tmp_path / "nobody", HOLDFAST_URL=served.url)


@pytest.fixture
def registered(served: Served, tmp_path: Path) -> Callable[[str], Program]:
    """Makes a user and his workspace: `registered("ada")` is the program with ada (and a number) logged in."""

    def make(name: str) -> Program:
        username = f"{name}{next(_numbers)}"
        program = at_home(tmp_path / username, HOLDFAST_URL=served.url, HOLDFAST_PASSWORD=PASSWORD)
        program("register", username)
        return program

    return make


@pytest.fixture
def holdfast(tmp_path: Path) -> Program:
    """The program of an operator, on a fresh embedded installation that nobody serves."""
    program = Program(tmp_path, tmp_path)
    program("migrate")
    return program


@pytest.fixture
def ada(registered: Callable[[str], Program]) -> Program:
    return registered("ada")


@pytest.fixture
def proxy(served: Served) -> Iterator[Proxy]:
    with between(served.url) as proxy:
        yield proxy


@pytest.fixture
def far(ada: Program, proxy: Proxy, tmp_path: Path) -> Program:
    """Ada again, behind the proxy."""
    program = at_home(tmp_path / "far", HOLDFAST_URL=proxy.url, HOLDFAST_PASSWORD=PASSWORD)
    program("login", ada.json("whoami")["username"])
    return program


def at_home(home: Path, **environment: str) -> Program:
    """The program with `home` as its home and its working folder."""
    home.mkdir(parents=True)
    return Program(home, home, environment)
