"""The rows of the table, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench import policies, rate, reading, starting, streaming
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
    "P1": Row(
        "`token`: process start to the first 200 of `POST /token`, MariaDB",
        "bare FastAPI's first 200",
        starting.starts,
        "the login itself (a connection, argon2id at OWASP's least parameters, four statements) comes on top of the imports.",
    ),
    "P2": Row(
        "its memory after 10 logins",
        "bare FastAPI's after 10 requests",
        starting.memory,
        "argon2, PyJWT with its cryptography, PyMySQL and the settings, beside what FastAPI takes.",
    ),
    "P3": Row(
        "`filedownload`: a version's metadata, authorised",
        "FastAPI with one pooled SELECT, not authorised",
        reading.metadata,
        "ours is one statement and one thread hop as well, and besides checks the token, joins user, workspace and revocations, "
        "signs a link for the store, and counts the request. What each of these costs was not measured apart.",
    ),
    "P4": Row(
        "`assets`: a page of a long list",
        "a page of a short one",
        reading.pages,
        "the page's rows are found along the index at any depth; what is left are deeper index trees and pages that are not in the "
        "test server's 64 MiB of buffers.",
    ),
    "P5": Row(
        "a large upload through us to SeaweedFS",
        "boto3 `put_object` to the same SeaweedFS",
        streaming.uploads,
        "each byte goes through our process on its way (received, parsed, hashed, sent), on the processors that SeaweedFS needs.",
    ),
    "P6": Row(
        "memory that a large upload takes", "none", streaming.memory, "two parts of 6 MiB are held, and the allocator's slack."
    ),
    "P7 sql": Row(
        "small uploads, acknowledged as versions, MariaDB + SeaweedFS",
        "boto3 `put_object`, 16 threads",
        rate.sql,
        "a version is the same PUT and, in groups of 16, five statements besides, in five transactions that the uploads of a "
        "moment share. All clients wait while their group is committed, statement after statement: the processor time of all "
        "processes together came to about half of what two processors have (looked at once, in one run). Our own process takes "
        "three times MariaDB's time for it; how much of that is SQLAlchemy's was not measured apart.",
    ),
    "P7 lakefs": Row(
        "the same with lakeFS",
        "boto3 `put_object`, 16 threads",
        rate.lakefs,
        "as with sql, and each upload is staged with a call of its own, each group looks for its operation in the last 100 "
        "commits, and lakeFS runs on the same processors. Which of these weighs most was not measured.",
    ),
    "P10": Row(
        "AssetPolicies to their CronJobs and statuses, from the start of the operator on",
        "`kubectl apply` of those CronJobs, one file",
        policies.reconciling,
    ),
}
