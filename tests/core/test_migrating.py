"""A new database gets the tables of an app in one step: that comes to what the single steps of before come to.

The steps themselves are not run here, which takes half a minute. When the one step was written, the dumps of databases
made both ways were equal statement by statement (PostgreSQL 15 and 18), and so were their rows.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState
from django.db.migrations.writer import MigrationWriter

from core.migrating import CreateModels
from tests.core.test_every_constraint import APPS

SHAPE = """
SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text, a.attidentity,
    pg_get_expr(d.adbin, d.adrelid), n.collname
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_collation n ON n.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (c.oid, a.attnum)
WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
    AND c.relnamespace IN ('public'::regnamespace, 'published'::regnamespace)
UNION ALL
SELECT 'relation', c.relname, c.relkind::text, c.reloptions::text, pg_get_viewdef(c.oid), '', '', '' FROM pg_class c
WHERE NOT c.relispartition AND c.relkind IN ('r', 'p', 'v', 'S')
    AND c.relnamespace IN ('public'::regnamespace, 'published'::regnamespace)
UNION ALL
SELECT 'constraint', c.relname, o.conname, pg_get_constraintdef(o.oid), '', '', '', ''
FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid
WHERE NOT c.relispartition AND c.relnamespace = 'public'::regnamespace AND o.conparentid = 0
UNION ALL
SELECT 'index', c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid::text, '', '', '', ''
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'trigger', c.relname, pg_get_triggerdef(t.oid), p.prosrc, '', '', '', ''
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND NOT c.relispartition
"""


def states(replace: bool) -> dict[tuple[str, str], ModelState]:
    """The models of all apps after the last migration: by the one step of each app, or by the steps of before."""
    loader = MigrationLoader(None, replace_migrations=replace)
    found: dict[tuple[str, str], ModelState] = loader.project_state().models
    return found


def written(model: ModelState) -> list[str]:
    """The model as a migration would create it, part by part."""
    parts = [*model.fields.items(), *sorted(model.options.items()), *model.managers, ("bases", model.bases)]
    return [f"{name} {MigrationWriter.serialize(value)[0]}" for name, value in parts]


def test_one_step_comes_to_the_models_of_all_steps_with_columns_in_the_same_order() -> None:
    one, many = states(replace=True), states(replace=False)
    assert one.keys() == many.keys()
    assert {key for key in one if key[0] in APPS} > {("core", "workspace"), ("usage", "event"), ("alerts", "task")}
    for key in one:
        assert written(one[key]) == written(many[key]), key


def test_one_step_asks_of_other_apps_what_the_steps_asked() -> None:
    """If it asked for more, a database of which one app alone was brought up to date would be called inconsistent."""
    loader = MigrationLoader(None)
    assert {app for app, _ in loader.replacements} == set(APPS)
    for (app, name), step in loader.replacements.items():
        before = [loader.disk_migrations[replaced] for replaced in step.replaces]
        last = name.partition("_squashed_")[2]
        assert {one.name for one in before} == {
            number for label, number in loader.disk_migrations if label == app and number <= last and number != name
        }
        asked: dict[str, str] = {}
        for other, number in (pair for one in before for pair in one.dependencies if pair[0] != app):
            asked[other] = max(number, asked.get(other, ""))
        asked.pop("auth")
        assert {other: number for other, number in step.dependencies if other != "auth"} == asked, app


def shape() -> set[tuple[Any, ...]]:
    """Columns, constraints, indexes, triggers, views and sequences that the database has, but for its partitions."""
    with connection.cursor() as cursor:
        cursor.execute(SHAPE)
        return set(cursor.fetchall())


@pytest.mark.django_db
def test_all_tables_go_and_come_back_as_they_were() -> None:
    before = shape()
    assert len({row for row in before if row[0] == "trigger"}) > 10
    executor = MigrationExecutor(connection)
    leaves = executor.loader.graph.leaf_nodes()
    executor.migrate([(app, None) for app in APPS])
    with connection.cursor() as cursor:
        ours = [f"^({'|'.join(APPS)})_"]
        cursor.execute("SELECT relname FROM pg_class WHERE relname ~ %s AND relname <> 'usage_privileges'", ours)
        assert cursor.fetchall() == []
        cursor.execute("SELECT proname FROM pg_proc WHERE proname ~ %s", ours)
        assert cursor.fetchall() == []
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname = 'published'")
        assert cursor.fetchall() == []
    executor = MigrationExecutor(connection)
    executor.migrate(leaves)
    assert shape() == before


@pytest.mark.django_db
def test_a_database_that_had_all_steps_takes_the_one_as_done() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE name LIKE %s", ["%\\_squashed\\_%"])
        assert cursor.rowcount == len(APPS)
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    leaves = executor.loader.graph.leaf_nodes()
    assert executor.migration_plan(leaves) == []
    executor.migrate(leaves)
    assert executor.loader.replacements.keys() <= executor.recorder.applied_migrations().keys()


def test_models_are_added_without_being_rendered_and_named_in_the_plan() -> None:
    key = models.BigAutoField(primary_key=True)
    step = CreateModels([migrations.CreateModel(name, [("id", key)]) for name in ("One", "Two")])
    state = ProjectState()
    assert state.apps.all_models == {}
    step.state_forwards("core", state)
    assert "apps" not in state.__dict__
    assert {model.__name__ for model in state.apps.get_models()} == {"One", "Two"}
    assert step.describe() == "Create 2 models: One, Two"
    assert step.references_model("two", "core") and not step.references_model("three", "core")
