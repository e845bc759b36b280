"""Inserts users and files by SQL, for the service and its peers alike."""

from __future__ import annotations

import uuid

import psycopg

RARE, COMMON = "text/x-rare", "image/png"
"""Media types: one file in the middle has the first, one in a hundred files the second."""
_OTHER = "application/pdf"

# As the service's ids are: milliseconds, then what orders within one.
_AT = "(extract(epoch FROM now()) * 1000)::bigint - (%(count)s - n) * 1000"
_ID = (
    f"(lpad(to_hex({_AT}), 12, '0') || lpad(to_hex(%(salt)s::bigint), 8, '0')"
    " || lpad(to_hex(n), 12, '0'))::uuid"
)
_COMMON = f"""
    {_ID} AS id,
    now() - make_interval(secs => %(count)s - n) AS at,
    CASE
        WHEN n = %(count)s / 2 THEN '{RARE}' WHEN n %% 100 = 0 THEN '{COMMON}' ELSE '{_OTHER}'
    END AS content_type,
    'sha256:' || repeat('0f', 32) AS checksum,
    'uploads/2026/01/01/' || to_hex(%(salt)s::bigint) || '-' || n || '-report.pdf' AS key
"""


def add_peer_user(connection: psycopg.Connection, subject: str) -> None:
    """Insert a user into a peer's database."""
    connection.execute(
        "INSERT INTO users (id, subject, username) VALUES (%s, %s, %s)",
        (uuid.uuid4(), subject, subject),
    )


def name_of(number: int) -> str:
    """Return the name of the `number`th file, from 1, oldest first; no other file has it."""
    return f"report-{number:07}-final.pdf"


def add_files(connection: psycopg.Connection, subject: str, count: int) -> None:
    """Insert `count` files of the user `subject`, one second apart, each with its one version."""
    found = connection.execute("SELECT id FROM users WHERE subject = %s", [subject]).fetchone()
    assert found is not None
    values = {"user": found[0], "count": count, "salt": uuid.uuid4().int & 0x7FFFFFFF}
    series = f"SELECT n, {_COMMON} FROM generate_series(1, %(count)s) AS n"
    connection.execute(
        "INSERT INTO files (id, user_id, name, content_type, size, checksum, integrity,"
        " key_current, version_current, created_at, updated_at)"
        " SELECT id, %(user)s, 'report-' || lpad(n::text, 7, '0') || '-final.pdf', content_type,"
        f" 4096, checksum, 'store', key, 1, at, at FROM ({series}) AS files".encode(),
        values,
    )
    connection.execute(
        "INSERT INTO file_versions (id, file_id, version, key, store_version_id, etag, size,"
        " content_type, checksum, integrity, created_by_id, created_at)"
        " SELECT id, id, 1, key_current, gen_random_uuid()::text, md5(key_current), size,"
        " content_type, checksum, integrity, user_id, created_at FROM files"
        " WHERE user_id = %(user)s",
        values,
    )


def analyze(url: str) -> None:
    """Let the planner know the rows, as autovacuum does some time after such an insert."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def ids_of_files(connection: psycopg.Connection, subject: str) -> list[uuid.UUID]:
    """Return the ids of the user's files."""
    found = connection.execute(
        "SELECT f.id FROM files f JOIN users u ON u.id = f.user_id WHERE u.subject = %s", [subject]
    )
    return [each for (each,) in found]
