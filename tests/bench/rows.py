"""The rows of the table, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench import policies, rate, reading, resuming, starting, straight, streaming, sweeping
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
        "ours is one statement and one thread hop as well. Each of the rest was taken out by itself, in processor time of a "
        "request (medians of five runs on a busy machine, where ours took 1.05 ms and the peer 0.85): the signed link 0.14 ms, "
        "a good part of it escaping, most of which is since remembered; the request's id, its metrics and the look at its path "
        "0.06; writing the reply 0.03; the token 0.02; the joins with user, workspace and revocations, and describing the "
        "version, less than what two runs differ by.",
    ),
    "P4": Row(
        "`assets`: a page of a long list",
        "a page of a short one",
        reading.pages,
        "the page's rows are found along the index at any depth; what is left are deeper index trees and pages that are not in the "
        "server's buffers.",
    ),
    "P5": Row(
        "a large upload through us to SeaweedFS",
        "boto3 `put_object` to the same SeaweedFS",
        streaming.uploads,
        "each byte goes through our process on its way (received, parsed, hashed, sent), on the processors that SeaweedFS needs.",
    ),
    "P5 direct": Row(
        "a large upload in parts straight to SeaweedFS, until it is a version",
        "boto3 `upload_file` to the same SeaweedFS, in the same parts",
        straight.uploads,
        "the parts are hashed by their client and once more by SeaweedFS, which boto3's are not, on the same processors; eight "
        "parts are promised in one request; where the whole sha256 was promised, the whole is read once more from the "
        "store before it is published.",
    ),
    "P6": Row(
        "memory that a large upload takes", "none", streaming.memory, "two parts of 6 MiB are held, and the allocator's slack."
    ),
    "P6 tus": Row(
        "memory that 16 large uploads at once take, by tus",
        "none",
        resuming.memory,
        "of each upload a part of 5 MiB is held, and what the connections and the allocator keep.",
    ),
    "P7 sql": Row(
        "small uploads, acknowledged as versions, MariaDB + SeaweedFS",
        "boto3 `put_object`, 16 threads",
        rate.sql,
        "a version is the same PUT and, in groups, some fifty statements that a group shares besides. Measured apart as "
        "processor time of our process (on a busy machine, in groups of 8): receiving and parsing 22 %, the PUT 11 %, opening "
        "the intent and marking it stored 15 %, forming the group 11 %, its commit 8 %, publishing it 20 %, telling those who "
        "wait 5 %. All statements together are 39 %: 23 % are PyMySQL's and 16 % SQLAlchemy's own, so plain SQL on the driver "
        "would not reach the goal either; fewer statements would do more, and four of those that publish a group are since "
        "gone. All clients wait while their group is committed, statement after statement.",
    ),
    "P7 lakefs": Row(
        "the same with lakeFS",
        "boto3 `put_object`, 16 threads",
        rate.lakefs,
        "as with sql, and lakeFS runs on the same processors. Of the time that a group of 8 takes in lakeFS, staging (a call "
        "for each upload, eight at a time) is 53 %, the commit 28 %, looking for the operation in the log 10 %, reading the "
        "commit back 9 %.",
    ),
    "P8": Row(
        "a large upload by tus through us to SeaweedFS, until it is a version",
        "a bare asyncio server that writes the same chunks to a file and fsyncs it",
        resuming.chunks,
        "a chunk is acknowledged once SeaweedFS has it, and it takes about 100 MiB/s from boto3 on these processors (P5), where"
        " the bare server writes into the page cache and syncs once; nothing is sent on while the next chunk is received.",
    ),
    "P9": Row(
        "a policy's run on MariaDB, plan and all, a worker beside that seals (CPU: for 1,000 versions, with the database's)",
        "one UPDATE of the same columns of the same rows",
        sweeping.sweeps,
        "transactions aim at 65 ms, by what the one before took, and 99 of 100 take less than 200. What is longer seems to wait "
        "for the disk: with an aim of 80 ms the longest were 207 ms over 1,000,000 (2.57 in all), and 171 and 200 ms over "
        "200,000, so smaller ones would not help; and they have 250 versions at least, as the whole would take much longer. Of "
        "20 s over 200,000 the plan takes 3, the UPDATEs and the rows for undo 6.5, audit rows 1.9, reading under the lock 2.2, "
        "counting 1.5.",
    ),
    "P9 plan": Row("memory that a plan takes", "none", sweeping.plans, "8 bytes for each due version, and a page of them."),
    "P10": Row(
        "AssetPolicies to their CronJobs and statuses, from the start of the operator on",
        "`kubectl apply` of those CronJobs, one file",
        policies.reconciling,
    ),
}
