"""The rows of the table, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench import rate, reading, starting, streaming
from tests.bench.measure import Result
from tests.bench.rig import Scale, Servers


@dataclass(frozen=True, slots=True)
class Row:
    """``ours`` and ``peer`` say what is compared; ``held_back`` what keeps us from the goal, for when it is missed."""

    ours: str
    peer: str
    run: Callable[[Servers, Scale], list[Result]]
    held_back: str = "not looked into"


ROWS = {
    "P1": Row("`token`: process start to the first 200 of `POST /token`, MariaDB", "bare FastAPI's first 200", starting.starts),
    "P2": Row("its memory after 10 logins", "bare FastAPI's after 10 requests", starting.memory),
    "P3": Row(
        "`filedownload`: a version's metadata, authorised", "FastAPI with one pooled SELECT, not authorised", reading.metadata
    ),
    "P4": Row("`assets`: a page of a long list", "a page of a short one", reading.pages),
    "P5": Row("a large upload through us to SeaweedFS", "boto3 `put_object` to the same SeaweedFS", streaming.uploads),
    "P6": Row("memory that a large upload takes", "none", streaming.memory),
    "P7 sql": Row("small uploads, acknowledged as versions, MariaDB + SeaweedFS", "boto3 `put_object`, 16 threads", rate.sql),
    "P7 lakefs": Row("the same with lakeFS", "boto3 `put_object`, 16 threads", rate.lakefs),
}
