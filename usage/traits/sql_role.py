"""The role that runs the SQL of traits: it may log in, and read the published views, and nothing else.

A log-in of its own, never SET ROLE from a privileged session, which RESET ROLE undoes. One role for each database, made
when it is first needed; its password follows from the application's secret and is stored nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

from usage.traits.reading import TraitFailed

SCHEMA = "published"
LONGEST_SQL = 10_000
_ADDRESS = ("host", "port", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey", "options")
_SETTINGS = {
    "default_transaction_read_only": "on", "statement_timeout": "5s", "idle_in_transaction_session_timeout": "10s",
    "work_mem": "8MB", "search_path": SCHEMA, "lock_timeout": "1s",
}  # fmt: skip
# What PUBLIC may call though it writes or talks to others; the application itself calls none of it.
_WRITERS = [
    "lo_create", "lo_creat", "lo_from_bytea", "lo_put", "lo_unlink", "lo_open", "lo_import", "lo_export", "pg_notify",
    "pg_export_snapshot", "pg_logical_emit_message", "database_to_xml", "query_to_xml", "table_to_xml", "schema_to_xml",
    "cursor_to_xml", "query_to_xml_and_xmlschema", "database_to_xml_and_xmlschema",
]  # fmt: skip
_TAKEN = """
SELECT p.oid::regprocedure::text FROM pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY(%s)
"""
NOT_ALLOWED = (
    "SQL traits need a database role of their own, and the application's database user may not make one. "
    "Let the database's administrator grant it CREATEROLE."
)
_made: set[str] = set()


def role_name(database: str) -> str:
    """The role of a database; roles are known to the whole server, so its name holds the database's."""
    return f"csbox_reader_{hashlib.sha256(database.encode()).hexdigest()[:12]}"


def _password(database: str) -> str:
    return hmac.new(settings.SECRET_KEY.encode(), f"sql traits of {database}".encode(), "sha256").hexdigest()


def connect() -> psycopg.Connection[Any]:
    """A fresh connection as the reader, in a transaction that only reads. The caller closes it. Raises TraitFailed."""
    params = connection.get_connection_params()
    address = {name: params[name] for name in _ADDRESS if params.get(name)}
    database = str(params["dbname"])
    if database not in _made:
        _ensure_role(database, address | {name: params[name] for name in ("user", "password") if params.get(name)})
        _made.add(database)
    try:
        found = psycopg.connect(
            **address, user=role_name(database), password=_password(database), connect_timeout=5,
            application_name="csbox sql trait",
        )  # fmt: skip
    except psycopg.Error as error:
        _made.discard(database)
        raise TraitFailed(f"The reader of SQL traits cannot log in: {str(error).splitlines()[0]}.") from error
    found.read_only = True
    return found


def _ensure_role(database: str, address: dict[str, Any]) -> None:
    """Make the role if it is missing, and give it exactly what it may have, in transactions of its own."""
    role = sql.Identifier(role_name(database))
    try:
        with psycopg.connect(**address, autocommit=True, connect_timeout=5) as own, own.transaction():
            own.execute("SELECT pg_advisory_xact_lock(hashtext('csbox sql reader'))")
            known = own.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role_name(database)]).fetchone()
            verb = sql.SQL("ALTER" if known else "CREATE")
            kept = sql.SQL("LOGIN NOCREATEDB NOCREATEROLE NOINHERIT CONNECTION LIMIT 4 PASSWORD {}")
            own.execute(sql.SQL("{} ROLE {} ").format(verb, role) + kept.format(sql.Literal(_password(database))))
            for name, value in _SETTINGS.items():
                setting = sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(name), sql.Literal(value))
                own.execute(setting)
            schema = sql.Identifier(SCHEMA)
            own.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, role))
            own.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO {}").format(schema, role))
            if own.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,):
                own.execute(sql.SQL("ALTER ROLE {} SET temp_file_limit = '64MB'").format(role))
                for (function,) in own.execute(_TAKEN, [_WRITERS]).fetchall():
                    own.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC".encode())
    except psycopg.errors.InsufficientPrivilege as error:
        raise TraitFailed(NOT_ALLOWED) from error
