"""What SQL a trait may hold: exactly one SELECT, over the published views, with functions that only compute.

Everything is allowed by name: kinds of node, functions, relations, types. What is not named here is refused with the
construct in question, before any database sees the text; so is what the parser reads as a mere command, and every way
to write a text but '…', where two readers could differ. The role that runs it is the wall behind this fence.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import TokenType

from core.intake import short
from core.refusals import Problem
from usage.traits.reading import TraitError
from usage.traits.sql_role import LONGEST_SQL, SCHEMA

VIEWS = ("accounts", "users", "relationships", "subscriptions", "events", "daily_usage")
FUNCTIONS = frozenset(
    {
        "abs", "avg", "bool_and", "bool_or", "btrim", "cardinality", "ceil", "ceiling", "char_length",
        "coalesce", "concat", "concat_ws", "count", "cume_dist", "date_part", "date_trunc", "dense_rank", "div",
        "every", "exp", "extract", "first_value", "floor", "greatest", "initcap", "jsonb_array_length",
        "jsonb_extract_path_text", "jsonb_typeof", "lag", "last_value", "lead", "least", "left", "length", "ln",
        "log", "lower", "ltrim", "max", "min", "mod", "mode", "now", "ntile", "nullif", "nth_value",
        "percent_rank", "percentile_cont", "percentile_disc", "position", "power", "rank", "replace", "right",
        "round", "row_number", "rtrim", "sign", "split_part", "sqrt", "starts_with", "stddev", "stddev_pop",
        "stddev_samp", "strpos", "substr", "substring", "sum", "timezone", "to_char", "to_date", "to_number",
        "trim", "trunc", "upper", "var_pop", "var_samp", "variance", "width_bucket", "age", "make_interval",
    }
)  # fmt: skip
TYPES = frozenset(
    getattr(exp.DType, name)
    for name in (
        "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "FLOAT", "INT", "SMALLINT", "BIGINT", "INTERVAL", "JSONB", "JSON",
        "TEXT", "TIMESTAMP", "TIMESTAMPTZ", "VARCHAR", "BPCHAR", "CHAR", "ARRAY",
    )
)  # fmt: skip
ROOTS = (exp.Select, exp.Subquery, exp.Union, exp.Except, exp.Intersect, exp.Values)
NODES = frozenset(
    {
        *ROOTS,
        # clauses
        exp.Alias, exp.CTE, exp.Column, exp.Cube, exp.Distinct, exp.Fetch, exp.From, exp.Group, exp.GroupingSets,
        exp.Having, exp.Identifier, exp.Join, exp.Lateral, exp.Limit, exp.LimitOptions, exp.Offset, exp.Order,
        exp.Ordered, exp.Rollup, exp.Star, exp.Table, exp.TableAlias, exp.Where, exp.Window, exp.WindowSpec, exp.With,
        # values
        exp.Array, exp.Boolean, exp.DataType, exp.DataTypeParam, exp.Interval, exp.IntervalSpan, exp.Kwarg, exp.Literal,
        exp.Null, exp.Tuple, exp.Var,
        # operators
        exp.Add, exp.All, exp.And, exp.Any, exp.ArrayContainsAll, exp.ArrayContainedBy, exp.ArrayOverlaps,
        exp.AtTimeZone, exp.Between, exp.Bracket, exp.DPipe, exp.Div, exp.Dot, exp.EQ, exp.Exists, exp.GT, exp.GTE,
        exp.ILike, exp.In, exp.IntDiv, exp.Is, exp.JSONArrayContains, exp.JSONBContains, exp.JSONBExtract,
        exp.JSONBExtractScalar, exp.JSONExtract, exp.JSONExtractScalar, exp.JSONPath, exp.JSONPathKey, exp.JSONPathRoot,
        exp.JSONPathSubscript, exp.LT, exp.LTE, exp.Like, exp.Mod, exp.Mul, exp.NEQ, exp.Neg, exp.Not, exp.NullSafeEQ,
        exp.NullSafeNEQ, exp.Or, exp.Paren, exp.Pow, exp.RegexpILike, exp.RegexpLike, exp.Slice, exp.Sub,
        # functions, and what is written like one; the names of all others are checked
        exp.Anonymous, exp.Case, exp.Cast, exp.Ceil, exp.Extract, exp.Filter, exp.Floor, exp.If, exp.Initcap,
        exp.StrPosition, exp.Substring, exp.Trim, exp.WithinGroup,
    }
)  # fmt: skip


class _Dialect(Postgres):
    """PostgreSQL as it is written: no function has a meaning of its own here, so each keeps the name to be judged by;
    -> is the JSON operator only."""

    class Parser(PostgresParser):
        """Reads functions by name."""

        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        LAMBDAS: ClassVar[dict[Any, Any]] = {TokenType.FARROW: PostgresParser.LAMBDAS[TokenType.FARROW]}


class _Fence:
    """Looks at every node of a statement and notes what is not allowed."""

    def __init__(self, statement: exp.Expr) -> None:
        self.problems: list[Problem] = []
        self.named = {_folded(cte.args["alias"].this) for cte in statement.find_all(exp.CTE) if cte.args.get("alias")}
        for node in statement.walk():
            self.look(node)

    def refuse(self, code: str, message: str) -> None:
        """Note a construct; the statement is refused at the end."""
        self.problems.append(Problem("/sql", code, f"{message} is not allowed in a trait."))

    def look(self, node: exp.Expr) -> None:
        """Any node."""
        if isinstance(node, exp.Into):
            self.refuse("sql-not-allowed", "SELECT INTO")
        elif isinstance(node, exp.Lock):
            self.refuse("sql-not-allowed", "FOR UPDATE or FOR SHARE")
        elif isinstance(node, exp.ObjectIdentifier) or (isinstance(node, exp.DataType) and not _is_plain(node)):
            self.refuse("sql-not-allowed", f"The type {short(node.sql('postgres').lower())}")
        elif type(node) not in NODES:
            self.refuse("sql-not-allowed", type(node).__name__)
        elif isinstance(node, exp.With) and node.args.get("recursive"):
            self.refuse("sql-not-allowed", "WITH RECURSIVE")
        elif isinstance(node, exp.Table | exp.Lateral):
            self.relation(node)
        elif isinstance(node, exp.Anonymous):
            self.function(node)

    def function(self, node: exp.Anonymous) -> None:
        """Functions by name, from the system's own schema."""
        parts, above = [_folded(node.this)], node.parent
        if isinstance(above, exp.Dot) and above.expression is node:
            parts = [_folded(above.this if isinstance(above.this, exp.Identifier) else above.this.sql()), *parts]
        if parts[-1] not in FUNCTIONS or parts[:-1] not in ([], ["pg_catalog"]):
            self.refuse("function-not-allowed", f"The function {short('.'.join(parts))}")

    def relation(self, node: exp.Table | exp.Lateral) -> None:
        """Published views, and names that the statement itself gives."""
        if isinstance(node, exp.Lateral):
            if not isinstance(node.this, exp.Subquery):
                self.refuse("sql-not-allowed", "A function in FROM")
            return
        if not isinstance(node.this, exp.Identifier):
            self.refuse("sql-not-allowed", "A function in FROM")
            return
        parts = [_folded(part) for part in node.parts]
        published = parts[-1] in VIEWS and parts[:-1] in ([], [SCHEMA])
        if not published and not (len(parts) == 1 and parts[0] in self.named):
            text = f"{short('.'.join(parts))} cannot be read. There are: {', '.join(VIEWS)}."
            self.problems.append(Problem("/sql", "relation-not-allowed", text, VIEWS))


def _is_plain(node: exp.DataType) -> bool:
    """A type such as regclass or name reads the catalogue."""
    return node.this in TYPES or isinstance(node.this, exp.Interval)


def _folded(name: Any) -> str:
    """A name as PostgreSQL looks it up."""
    if isinstance(name, exp.Identifier):
        return str(name.this) if name.quoted else str(name.this).lower()
    return str(name).lower()


def check_sql(text: str) -> None:
    """Refuse what a trait may not hold. Raises TraitError with every construct that is not allowed."""
    if len(text) > LONGEST_SQL:
        raise _refused(f"The SQL is longer than {LONGEST_SQL:,} characters.")
    try:
        dialect = _Dialect()
        tokens = dialect.tokenize(text)
        parsed = dialect.parser().parse(tokens, text)
    except (SqlglotError, ValueError, RecursionError) as error:
        raise _refused(f"The SQL cannot be read: {_reason(error)}.") from error
    statements = [one for one in parsed if one is not None and not isinstance(one, exp.Semicolon)]
    if len(statements) != 1:
        raise _refused(f"A trait holds one statement; there are {len(statements)}.")
    statement = statements[0]
    if not isinstance(statement, ROOTS):
        raise _refused(f"{short(tokens[0].text.upper())} is not allowed in a trait: it begins with SELECT.")
    problems = _Fence(statement).problems
    if problems:
        raise TraitError(list(dict.fromkeys(problems))[:20])


def _refused(message: str) -> TraitError:
    return TraitError([Problem("/sql", "sql-not-allowed", message)])


def _reason(error: Exception) -> str:
    """What the parser says, without the terminal's underlining of the place."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    found = getattr(error, "errors", None)
    if found and found[0].get("description"):
        place = found[0]
        return f"{place['description'].rstrip('.')} in line {place['line']}, near {short(str(place['highlight']))}"
    return short(str(error), 200)
