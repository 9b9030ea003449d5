"""Many assets of one version each, straight into the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, make_url, text

from holdfast.database.connecting import mysql_arguments

_ASSETS = """
INSERT INTO assets (workspace_id, asset_path, primary_filename, last_number, created_at)
SELECT :workspace, CONCAT('document/pdf/report-', LPAD(seq, 8, '0')), CONCAT('report-', LPAD(seq, 8, '0'), '.pdf'), 1,
  UTC_TIMESTAMP(6) - INTERVAL :age DAY
FROM seq_1_to_{count}
"""
_VERSIONS = """
INSERT INTO versions (workspace_id, asset_id, asset_path, number, version_id, upload_id, primary_filename, content_type, size,
  sha256, object_key, file_count, total_bytes, status, newest, archive_ttl, destroy_ttl, upload_date, active_since, archive_date,
  destroy_date, labels, uploaded_by)
SELECT workspace_id, id, asset_path, 1, LPAD(HEX(id), 64, '0'), LPAD(HEX(id), 32, '0'), primary_filename, 'application/pdf', 65536,
  LPAD(HEX(id), 64, '5'), CONCAT('data/', LPAD(HEX(id), 32, '0'), '/0'), 1, 65536, 'active', 1, :archive_ttl, :destroy_ttl,
  created_at, created_at, created_at + INTERVAL :archive_ttl DAY, created_at + INTERVAL :archive_ttl + :destroy_ttl DAY, :labels,
  'ada'
FROM assets
"""
LABELS = '{"project": "apollo"}'


def fill(url: str, workspace: int, count: int, *, age: int = 0, ttls: tuple[int | None, int | None] = (30, 365)) -> None:
    """Assets of one version each, ``age`` days old, with their own ``ttls`` (archive, destroy). A million take a minute or two."""
    archive_ttl, destroy_ttl = ttls
    values = {"workspace": workspace, "age": age, "archive_ttl": archive_ttl, "destroy_ttl": destroy_ttl, "labels": LABELS}
    with patient(url) as engine:
        for statement in (_ASSETS, _VERSIONS):
            with engine.begin() as connection:
                connection.exec_driver_sql("SET foreign_key_checks = 0")
                connection.execute(text(statement.format(count=count)), values)


@contextmanager
def patient(url: str) -> Iterator[Engine]:
    """For statements that take longer than any of ours may."""
    patience = {**mysql_arguments(make_url(url).host, {}), "read_timeout": None}
    engine = create_engine(url, isolation_level="READ COMMITTED", connect_args=patience)
    try:
        yield engine
    finally:
        engine.dispose()
