"""SQL traits: one SELECT over published views by a role that can only read; everything else is refused."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection

from usage.traits import sql_role, sql_traits
from usage.traits.reading import TraitError, TraitFailed
from usage.traits.sql_reading import FUNCTIONS, check_sql

GOOD = "SELECT id, mrr * 12 FROM accounts"
BY_KEYWORD = {"extract", "position", "trim", "substring", "date_part"}  # whose arguments have a form of their own


class TestFence:
    @pytest.mark.parametrize(
        "text",
        [
            GOOD,
            "select a.id, count(e.name) from accounts a left join events e on e.account_id = a.id group by 1",
            "with big as (select account_id, sum(mrr) as m from published.subscriptions group by 1)"
            " select account_id, case when m > 10 then round(m, 2) else 0 end from big",
            "select account_id, max(at)::date from events where at > now() - interval '30 days' group by account_id",
            "select id, attributes ->> 'colour' from accounts where name ~ '^a' and not exists"
            " (select 1 from relationships r where r.account_id = accounts.id)",
            "select account_id, row_number() over (order by sum(count) desc) from daily_usage group by 1",
            "select id, name like '%x%' from accounts -- a comment; with a semicolon",
            "(select id, 1 from accounts union all select id, 2 from accounts order by 1 limit 3 offset 1);",
            'SELECT Id, Pg_Catalog.Lower(Name) FROM Published."accounts" AS a',
            "select distinct on (account_id) account_id, at::date from events order by account_id, at desc nulls last",
            "select id, v.n from accounts cross join lateral (select count(*) as n from users) v",
            "select id, jsonb_array_length(attributes->'list') from accounts where attributes #>> '{a,b}' is not null"
            " and (mrr between 1 and 2 or licences = any(array[1, 2]) or name ilike any (array['a%', 'b%']))",
            "select id, percentile_cont(0.5) within group (order by mrr) filter (where mrr > 0) over () from accounts",
            "select id, sum(mrr) over w from accounts window w as (partition by name rows between 1 preceding and"
            " current row)",
            "select account_id, extract(epoch from max(at) - min(at)) / 86400, date '2026-01-01' - max(at)::date,"
            " now() at time zone 'UTC', make_interval(days => 3), '1 day'::interval * 2, 1::numeric(10, 2)"
            " from events group by grouping sets ((account_id), ())",
            "select id, trim(both 'x' from name), substring(name from 1 for 2), position('a' in name), -mrr % 3,"
            " name !~* 'b', (mrr is distinct from 1), '{1}'::int[], attributes @> '{}'::jsonb, null::int8"
            " from accounts where not (name in ('a', 'b')) and id in (select account_id from users)",
            "select a.id, 1 from accounts a join relationships r on r.account_id = a.id full join users using (id)"
            " natural join (values (1, 2)) as t (x, y)",
            "select id, 1 from accounts fetch first 3 rows only",
            *(f"select {name}(1, 2) from accounts" for name in sorted(FUNCTIONS - BY_KEYWORD)),
        ],
    )
    def test_what_only_reads_views_passes(self, text: str) -> None:
        check_sql(text)

    @pytest.mark.parametrize(
        ("text", "code", "says"),
        [
            ("select 1; select 2", "sql-not-allowed", "there are 2"),
            ("rollback; select 1", "sql-not-allowed", "there are 2"),
            ("COMMIT", "sql-not-allowed", "COMMIT"),
            ("", "sql-not-allowed", "there are 0"),
            ("-- nothing", "sql-not-allowed", "there are 0"),
            ("selec 1", "sql-not-allowed", "cannot be read"),
            ("with x as (delete from accounts returning id) select id, 1 from x", "sql-not-allowed", "Delete is not"),
            ("with x as (update accounts set name = '' returning id) select id, 1 from x", "sql-not-allowed", "Update"),
            (
                "with recursive x as (select 1 union all select 1 from x) select * from x",
                "sql-not-allowed",
                "RECURSIVE",
            ),
            ("select id, 1 into x from accounts", "sql-not-allowed", "SELECT INTO"),
            ("select id, 1 from accounts for update", "sql-not-allowed", "FOR UPDATE"),
            ("select id, 1 from (select id from accounts for share) a", "sql-not-allowed", "FOR SHARE"),
            ("copy accounts to program 'id'", "sql-not-allowed", "COPY"),
            ("do $$ begin end $$", "sql-not-allowed", "DO"),
            ("prepare x as select 1", "sql-not-allowed", "PREPARE"),
            ("listen x", "sql-not-allowed", "LISTEN"),
            ("load 'x'", "sql-not-allowed", "LOAD"),
            ("create temp table x (y int)", "sql-not-allowed", "CREATE"),
            ("insert into accounts values (1)", "sql-not-allowed", "INSERT"),
            ("delete from accounts", "sql-not-allowed", "DELETE"),
            ("explain analyze select 1", "sql-not-allowed", "EXPLAIN"),
            ("set role postgres", "sql-not-allowed", "SET"),
            ("values (1, 2)", "", ""),
            ("table pg_class", "relation-not-allowed", "pg_class"),
            ("select set_config('statement_timeout', '0', false)", "function-not-allowed", "set_config"),
            ("select lo_create(0)", "function-not-allowed", "lo_create"),
            ("select lo_from_bytea(0, '')", "function-not-allowed", "lo_from_bytea"),
            ("select pg_advisory_lock(42)", "function-not-allowed", "pg_advisory_lock"),
            ("select pg_notify('a', 'b')", "function-not-allowed", "pg_notify"),
            ("select pg_sleep(3)", "function-not-allowed", "pg_sleep"),
            ("select pg_catalog.pg_sleep(3)", "function-not-allowed", "pg_sleep"),
            ("select pg_read_file('/etc/passwd')", "function-not-allowed", "pg_read_file"),
            ("select * from dblink('', '') as x (y int)", "sql-not-allowed", "function in FROM"),
            ("select query_to_xml('', true, true, '')", "function-not-allowed", "query_to_xml"),
            ("select database_to_xml(true, true, '')", "function-not-allowed", "database_to_xml"),
            ("select pg_export_snapshot()", "function-not-allowed", "pg_export_snapshot"),
            ("select txid_current()", "function-not-allowed", "txid_current"),
            ("select pg_logical_emit_message(false, '', '')", "function-not-allowed", "pg_logical"),
            ("select repeat('x', 1000000000)", "function-not-allowed", "repeat"),
            ("select * from generate_series(1, 1000000000)", "sql-not-allowed", "function in FROM"),
            ("select generate_series(1, 1000000000)", "function-not-allowed", "generate_series"),
            ("select public.lower('x')", "function-not-allowed", "public.lower"),
            ("select current_user", "sql-not-allowed", "CurrentUser"),
            ("select rolname from pg_roles", "relation-not-allowed", "pg_roles"),
            ("select passwd from pg_catalog.pg_authid", "relation-not-allowed", "pg_authid"),
            ("select id, name from public.accounts_account", "relation-not-allowed", "accounts_account"),
            ("select id from other.published.accounts", "relation-not-allowed", "other.published"),
            ("with pg_class as (select 1) select * from pg_catalog.pg_class", "relation-not-allowed", "pg_class"),
            ("select 'pg_authid'::regclass", "sql-not-allowed", "regclass"),
            ("select x from accounts tablesample system (1)", "sql-not-allowed", "TableSample"),
            ("select $1", "sql-not-allowed", "Parameter"),
            ("select '" + "x" * 10_001 + "'", "sql-not-allowed", "longer"),
            ('select "pg_sleep"(3)', "function-not-allowed", "pg_sleep"),
            ("select PG_SLEEP /* nested /* comment */ */ (3)", "function-not-allowed", "pg_sleep"),
            ("select 'a' 'b' || e'\\'' || pg_sleep(3) || ''", "function-not-allowed", "pg_sleep"),
            ("select e'a'", "sql-not-allowed", "ByteString"),
            ("select u&'\\0061'", "sql-not-allowed", "UnicodeString"),
            ("select $$a$$", "sql-not-allowed", "RawString"),
            ("select $a$ ' $a$, pg_sleep(3), $a$ ' $a$", "function-not-allowed", "pg_sleep"),
            ("select regclass 'pg_authid'", "sql-not-allowed", "regclass"),
            ("select 'a'::name", "sql-not-allowed", "name"),
            ("select 'a'::pg_catalog.regrole", "sql-not-allowed", "regrole"),
            ("select a.b.lower('x')", "function-not-allowed", "a.b.lower"),
            ("select id operator(pg_catalog.=) 1 from accounts", "sql-not-allowed", "Operator"),
            ("select (select id from accounts for update)", "sql-not-allowed", "FOR UPDATE"),
            ("select id, 1 from accounts, lateral pg_ls_dir('.') x", "sql-not-allowed", "function in FROM"),
            ("select * from rows from (generate_series(1, 3)) x", "function-not-allowed", "generate_series"),
            ('select id, 1 from "Accounts"', "relation-not-allowed", "Accounts"),
            ("select current_setting('a'), session_user", "function-not-allowed", "current_setting"),
            ("select xmlelement(name foo)", "sql-not-allowed", "XMLElement"),
            ("select string_agg(name, ',') from accounts", "sql-not-allowed", "GroupConcat"),
            ("select lower(variadic array['x'])", "sql-not-allowed", "Variadic"),
            ("call x()", "sql-not-allowed", "CALL"),
            ("merge into accounts a using users u on true when matched then delete", "sql-not-allowed", "MERGE"),
            ("truncate accounts", "sql-not-allowed", "TRUNCATE"),
            ("vacuum", "sql-not-allowed", "VACUUM"),
            ("reset role", "sql-not-allowed", "RESET"),
            ("grant all on accounts to public", "sql-not-allowed", "GRANT"),
            ("select " + "(" * 5000 + "1" + ")" * 5000, "", ""),
        ],
    )
    def test_everything_else_is_refused_with_its_construct(self, text: str, code: str, says: str) -> None:
        if not code:  # harmless shapes: a list of values, and depth, which either reads or is refused, never crashes
            try:
                check_sql(text)
            except TraitError:
                return
            return
        with pytest.raises(TraitError) as refused:
            check_sql(text)
        assert code in [problem.code for problem in refused.value.problems]
        assert says in str(refused.value)


@pytest.mark.usefixtures("role")
class TestWall:
    """What the role itself refuses, asked without the fence before it."""

    @pytest.mark.parametrize(
        "text",
        [
            "select name from public.accounts_account",
            "select password from public.auth_user",
            "select * from pg_authid",
            "select pg_read_file('/etc/passwd')",
            "delete from accounts",
            "create temp table x (y int)",
            "create table published.x (y int)",
            "with x as (delete from accounts returning id) select * from x",
            "select id from accounts for update",
            "select set_config('role', 'postgres', false)",
            "select 1; select 2",
            "rollback; select pg_sleep(3)",
            "copy accounts to program 'id'",
            "load 'x'",
            "set role postgres",
        ],
    )
    def test_a_reader_cannot(self, text: str) -> None:
        reader = sql_role.connect()
        try:
            with pytest.raises(psycopg.Error):
                reader.execute(text.encode(), None, prepare=True)
        finally:
            reader.close()

    @pytest.mark.parametrize(
        "text", ["select pg_sleep(9)", "select set_config('statement_timeout', '0', false), pg_sleep(9)"]
    )
    def test_a_statement_is_stopped_at_its_limit(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sql_traits, "LIMIT_MS", 200)
        with pytest.raises(TraitFailed, match="was stopped"):
            sql_traits.run(text, 1)

    def test_what_only_writes_is_not_even_public(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
            if cursor.fetchone() != (True,):
                pytest.skip("only a superuser can take functions from PUBLIC")
        for text in (
            "select lo_create(0)",
            "select pg_notify('a', 'b')",
            "select query_to_xml('select 1', true, true, '')",
        ):
            with pytest.raises(TraitFailed, match="permission denied"):
                sql_traits.run(text, 1)
