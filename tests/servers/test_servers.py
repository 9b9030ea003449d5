"""The servers keep what the tests rely on: they answer, keep their users apart, and are gone afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from tests.servers.database import DatabaseServer
from tests.servers.guard import descendants
from tests.servers.inner import inner
from tests.servers.lakefs import LakeFS
from tests.servers.mariadb import MariaDB
from tests.servers.mysql import MySQL
from tests.servers.process import MEMORY, Process, ServerFailedError, ServerMissingError, free_ports, fresh_folder, program
from tests.servers.required import WITHOUT_LAKEFS, cost_of_lakefs, running
from tests.servers.seaweedfs import SeaweedFS

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["mariadb", "mysql"])
def database(request: pytest.FixtureRequest) -> DatabaseServer:
    server = request.getfixturevalue(request.param)
    assert isinstance(server, DatabaseServer)
    return server


def test_two_databases_of_a_server_do_not_see_each_other(database: DatabaseServer) -> None:
    one, other = create_engine(database.create_database()), create_engine(database.create_database())
    with one.begin() as connection:
        connection.execute(text("CREATE TABLE thing (name VARCHAR(20))"))
        connection.execute(text("INSERT INTO thing VALUES ('🦀 crab')"))
        assert connection.execute(text("SELECT name FROM thing")).scalar_one() == "🦀 crab"
    assert inspect(other).get_table_names() == []
    one.dispose()
    other.dispose()


def test_a_database_server_keeps_its_default_durability(database: DatabaseServer) -> None:
    engine = create_engine(database.create_database())
    with engine.begin() as connection:
        assert connection.execute(text("SELECT @@innodb_flush_log_at_trx_commit")).scalar_one() == 1
    engine.dispose()


def test_mysql_is_the_version_of_the_chart_and_mariadb_is_not_mysql(mysql: MySQL, mariadb: MariaDB) -> None:
    versions = []
    for server in (mysql, mariadb):
        engine = create_engine(server.create_database())
        with engine.connect() as connection:
            versions.append(connection.execute(text("SELECT VERSION()")).scalar_one())
        engine.dispose()
    assert versions[0].startswith("9.7.")
    assert "MariaDB" in versions[1]


def test_two_buckets_do_not_see_each_other(seaweedfs: SeaweedFS) -> None:
    client, one, other = seaweedfs.client, seaweedfs.bucket(), seaweedfs.bucket()
    client.put_object(Bucket=one, Key="thing", Body=b"bytes")
    assert client.get_object(Bucket=one, Key="thing")["Body"].read() == b"bytes"
    assert client.list_objects_v2(Bucket=other)["KeyCount"] == 0


def test_many_buckets_can_be_written_to(seaweedfs: SeaweedFS) -> None:
    client = seaweedfs.client
    for _ in range(10):
        client.put_object(Bucket=seaweedfs.bucket(), Key="thing", Body=b"bytes")


def test_namespaces_share_a_bucket_and_no_prefix(seaweedfs: SeaweedFS) -> None:
    (bucket, one), (same, other) = seaweedfs.namespace(), seaweedfs.namespace()
    assert bucket == same
    client = seaweedfs.client
    client.put_object(Bucket=bucket, Key=f"{one}/thing", Body=b"bytes")
    assert client.list_objects_v2(Bucket=bucket, Prefix=f"{other}/")["KeyCount"] == 0
    assert client.list_objects_v2(Bucket=bucket, Prefix=f"{one}/")["KeyCount"] == 1


def test_two_repositories_do_not_see_each_other(lakefs: LakeFS) -> None:
    one, other = lakefs.repository(), lakefs.repository()
    client = lakefs.client
    upload = client.post(f"/repositories/{one}/branches/main/objects", params={"path": "thing"}, content=b"bytes")
    assert upload.status_code == 201
    assert client.post(f"/repositories/{one}/branches/main/commits", json={"message": "one"}).status_code == 201
    assert client.get(f"/repositories/{one}/refs/main/objects", params={"path": "thing"}).content == b"bytes"
    assert client.get(f"/repositories/{other}/refs/main/objects", params={"path": "thing"}).status_code == 404


@pytest.mark.parametrize("kind", [MariaDB, MySQL, SeaweedFS])
def test_a_server_that_is_stopped_leaves_no_process_and_no_folder(kind: type[MariaDB | MySQL | SeaweedFS]) -> None:
    before = set(descendants(os.getpid()))
    life = running(kind.start)
    server = next(life)
    processes = set(descendants(os.getpid())) - before
    kept = {folder for pid in processes for folder in folders(pid)}
    assert len(processes) > 1
    assert len(kept) == 1
    server.stop()
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
    assert [folder for folder in kept if folder.exists()] == []


def test_a_server_dies_with_a_run_that_is_killed() -> None:
    script = (
        "from tests.servers.process import Process, fresh_folder\n"
        "folder = fresh_folder('killed')\n"
        "Process('sleep', ['sh', '-c', 'sleep 1000'], folder)\n"
        "print(folder, flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as run:
        assert run.stdout
        folder = Path(run.stdout.readline().strip())
        until(lambda: len(descendants(run.pid)) > 1)
        below = descendants(run.pid)
        run.kill()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
    until(lambda: not folder.exists())


def test_what_wraps_a_server_cleans_up_after_it() -> None:
    folder = fresh_folder("wrapped")
    witness = folder.with_name(folder.name + ".cleaned")
    before = set(descendants(os.getpid()))
    process = Process("sleep", ["sh", "-c", 'sleep 1000; echo cleaned > "$0"', witness], folder)
    until(lambda: len(set(descendants(os.getpid())) - before) == 3)  # the guard, the shell and its sleep
    process.stop()
    assert witness.read_text() == "cleaned\n"
    witness.unlink()


def test_a_fork_of_the_run_cannot_stop_a_server(mariadb: MariaDB) -> None:
    child = os.fork()
    if child == 0:
        mariadb.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert mariadb.answers()


def test_a_server_that_does_not_start_shows_its_log() -> None:
    process = Process("thing", ["sh", "-c", "echo cannot find my socks; exit 1"], fresh_folder("thing"))
    with pytest.raises(ServerFailedError, match="cannot find my socks"):
        process.wait_until(lambda: False)


def test_a_program_that_is_missing_says_how_to_get_it() -> None:
    with pytest.raises(ServerMissingError, match="no holdfast-nothing here: ask the harbour master"):
        program("holdfast-nothing", "ask the harbour master")


def test_free_ports_are_different_and_below_those_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


@pytest.mark.parametrize(
    ("required", "may_be_missing", "outcome"),
    [("all", False, pytest.fail.Exception), ("", False, pytest.skip.Exception), ("all", True, pytest.skip.Exception)],
)
def test_a_missing_server_fails_where_all_are_required_but_for_lakefs(
    required: str, may_be_missing: bool, outcome: type[BaseException]
) -> None:
    def missing() -> MariaDB:
        raise ServerMissingError("no such server: buy one")

    with pytest.raises(outcome, match="no such server: buy one"):
        next(running(missing, may_be_missing=may_be_missing, environment={"HOLDFAST_TEST_REQUIRED": required}))


@pytest.mark.parametrize(("required", "outcome"), [("all", "1 failed, 1 error"), ("", "2 skipped")])
def test_a_program_that_is_missing_within_a_test_means_the_same(tmp_path: Path, required: str, outcome: str) -> None:
    ended = inner(tmp_path, REQUIRING, ASKS, "-rs", HOLDFAST_TEST_REQUIRED=required)
    assert outcome in ended.stdout
    assert "no such program: buy one" in ended.stdout
    assert ended.returncode == int(required == "all")


REQUIRING = """
from tests.servers.required import Requiring


def pytest_configure(config):
    config.pluginmanager.register(Requiring())
"""
ASKS = """
import pytest

from tests.servers.process import ServerMissingError


@pytest.fixture
def asked():
    raise ServerMissingError("no such program: buy one")


def test_it_is_missing():
    raise ServerMissingError("no such program: buy one")


def test_it_was_missing_before(asked):
    pass
"""


def test_the_run_says_how_many_tests_lakefs_cost() -> None:
    reports = [skipped(f"Skipped: {WITHOUT_LAKEFS}: no lakefs here: get it"), skipped("Skipped: not on a Tuesday")]
    assert cost_of_lakefs([*reports, reports[0]]) == "LAKEFS IS MISSING, WHICH COST 2 TESTS (no lakefs here: get it)"
    assert cost_of_lakefs(reports[1:]) is None


def skipped(reason: str) -> pytest.TestReport:
    return pytest.TestReport("a::test", ("a.py", 1, "test"), {}, "skipped", ("a.py", 1, reason), "setup")


def folders(pid: int) -> Iterator[Path]:
    """Folders of servers that are named on a process's command line."""
    for argument in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
        path = Path(argument.split(os.pathsep)[0])
        if path.is_dir() and path.name.startswith("holdfast-") and path.parent in {MEMORY, Path(tempfile.gettempdir())}:
            yield path


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
