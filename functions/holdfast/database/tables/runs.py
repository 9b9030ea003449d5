"""The tables of the declared end of life: which policies there are, and what their runs did."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, Text, text

from holdfast.database.tables.base import Id, table
from holdfast.database.types import UtcDateTime, ascii_id

policies = table(
    "policies",
    # As they were last told: by the folder of the embedded default, or by the operator's ConfigMap to a job.
    Column("namespace", ascii_id(63), primary_key=True),
    Column("name", ascii_id(253), primary_key=True),
    Column("generation", BigInteger, nullable=False),  # rises with each change of the spec
    Column("resource", JSON, nullable=False),  # the whole AssetPolicy; {}: it is known no more, and the row goes at the next upkeep
    Column("enforcing", Boolean, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("preview", JSON),  # what the newest plan of each action found: {action: {…}}
)

runs = table(
    "runs",
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("policy", ascii_id(317)),  # namespace/name; NULL: the assets' own TTLs
    Column("generation", BigInteger, nullable=False, server_default=text("0")),
    Column("action", ascii_id(16), nullable=False),  # archive | destroy
    Column("trigger", ascii_id(16), nullable=False),  # schedule | manual | approval | ttl
    Column("slot", UtcDateTime),  # the time of the schedule that it serves
    # planning → running → done | stopped | failed;  planning → guarded | changed (the plan was another than the one asked for)
    Column("state", ascii_id(16), nullable=False),
    Column("as_of", UtcDateTime, nullable=False),
    Column("digest", ascii_id(64)),
    Column("plan", JSON),  # what was planned: counts, reasons, exclusions, conflicts, sample
    Column("guard", JSON),  # what tripped it
    Column("item_count", BigInteger, nullable=False, server_default=text("0")),  # archived or condemned
    Column("byte_count", BigInteger, nullable=False, server_default=text("0")),
    Column("skipped", JSON, nullable=False),  # {reason: how many}
    Column("undone", BigInteger, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Index(None, "policy", "action", "id"),
    Index(None, "state"),
)

run_workspaces = table(
    "run_workspaces",
    Column("workspace_id", Id, ForeignKey("workspaces.id"), primary_key=True),
    Column("run", Id, ForeignKey("runs.id"), primary_key=True),
    Column("item_count", BigInteger, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
)

run_items = table(
    "run_items",
    Column("run", Id, primary_key=True),  # no foreign keys: each would be looked up for each of a million rows
    Column("workspace_id", Id, primary_key=True),
    Column("version", Id, primary_key=True),
    Column("revision", Integer, nullable=False),  # that the run gave the version: while it has it, the run can be undone
)
