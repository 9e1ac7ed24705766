"""What SQL a trait may hold: exactly one SELECT, over the published views, with functions that only compute.

Everything is allowed by name: kinds of node, functions, relations, types. What is not named here is refused with the
construct in question, before any database sees the text. The role that runs it is the wall behind this fence.
"""

from __future__ import annotations

from typing import Any

from pglast import ast, parse_sql
from pglast.parser import ParseError
from pglast.visitors import Visitor

from core.intake import short
from usage.traits.reading import Problem, TraitError

VIEWS = ("accounts", "users", "relationships", "subscriptions", "events", "daily_usage")
SCHEMA = "published"
LONGEST_SQL = 10_000
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
    {
        "bool", "boolean", "date", "decimal", "double", "float4", "float8", "int", "int2", "int4", "int8",
        "integer", "interval", "jsonb", "json", "numeric", "real", "text", "timestamp", "timestamptz",
        "varchar", "bpchar",
    }
)  # fmt: skip
NODES = (
    ast.A_ArrayExpr, ast.A_Const, ast.A_Expr, ast.A_Indices, ast.A_Indirection, ast.A_Star, ast.Alias, ast.BitString,
    ast.BoolExpr, ast.Boolean, ast.BooleanTest, ast.CaseExpr, ast.CaseWhen, ast.CoalesceExpr, ast.ColumnRef,
    ast.CommonTableExpr, ast.Float, ast.FuncCall, ast.GroupingSet, ast.Integer, ast.JoinExpr, ast.MinMaxExpr,
    ast.NullTest, ast.RangeSubselect, ast.RangeVar, ast.RawStmt, ast.ResTarget, ast.RowExpr, ast.SelectStmt,
    ast.SortBy, ast.String, ast.SubLink, ast.TypeCast, ast.TypeName, ast.WindowDef, ast.WithClause,
)  # fmt: skip


class _Fence(Visitor):  # type: ignore[misc]  # the library has no types
    """Walks the whole tree and notes what is not allowed."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[Problem] = []
        self.named: set[str] = set()

    def refuse(self, code: str, message: str) -> None:
        """Note a construct; the statement is refused at the end."""
        self.problems.append(Problem("/sql", code, message))

    def visit(self, ancestors: Any, node: Any) -> None:
        """Any node without a method of its own."""
        if not isinstance(node, NODES):
            self.refuse("sql-not-allowed", f"{type(node).__name__} is not allowed in a trait.")

    def visit_SelectStmt(self, ancestors: Any, node: Any) -> None:
        """No INTO, no locks."""
        if node.intoClause is not None:
            self.refuse("sql-not-allowed", "SELECT INTO is not allowed in a trait.")
        if node.lockingClause:
            self.refuse("sql-not-allowed", "FOR UPDATE and FOR SHARE are not allowed in a trait.")

    def visit_WithClause(self, ancestors: Any, node: Any) -> None:
        """No recursion."""
        if node.recursive:
            self.refuse("sql-not-allowed", "WITH RECURSIVE is not allowed in a trait.")

    def visit_CommonTableExpr(self, ancestors: Any, node: Any) -> None:
        """Queries that only read."""
        if not isinstance(node.ctequery, ast.SelectStmt):
            self.refuse("sql-not-allowed", f"{type(node.ctequery).__name__} is not allowed in a trait.")

    def visit_FuncCall(self, ancestors: Any, node: Any) -> None:
        """Functions by name, from the system's own schema."""
        parts = [part.sval for part in node.funcname]
        known = parts[-1] in FUNCTIONS and (len(parts) == 1 or parts[:-1] == ["pg_catalog"])
        if not known:
            self.refuse("function-not-allowed", f"The function {short('.'.join(parts))} is not allowed in a trait.")

    def visit_RangeVar(self, ancestors: Any, node: Any) -> None:
        """Published views, and names that the statement itself gives."""
        own = node.schemaname is None and node.catalogname is None
        published = node.relname in VIEWS and node.catalogname is None and node.schemaname in (None, SCHEMA)
        if not published and not (own and node.relname in self.named):
            name = ".".join(filter(None, (node.catalogname, node.schemaname, node.relname)))
            text = f"{short(name)} cannot be read. There are: {', '.join(VIEWS)}."
            self.problems.append(Problem("/sql", "relation-not-allowed", text, VIEWS))

    def visit_TypeName(self, ancestors: Any, node: Any) -> None:
        """Plain types; a type such as regclass reads the catalogue."""
        parts = [part.sval for part in node.names or ()]
        if not parts or parts[-1] not in TYPES or parts[:-1] not in ([], ["pg_catalog"]):
            self.refuse("sql-not-allowed", f"The type {short('.'.join(parts))} is not allowed in a trait.")


def check_sql(text: str) -> None:
    """Refuse what a trait may not hold. Raises TraitError with every construct that is not allowed."""
    if len(text) > LONGEST_SQL:
        raise TraitError([Problem("/sql", "sql-not-allowed", f"The SQL is longer than {LONGEST_SQL:,} characters.")])
    try:
        statements = parse_sql(text)
    except (ParseError, ValueError, RecursionError) as error:
        reason = short(str(error.args[0] if error.args else error), 200)
        raise TraitError([Problem("/sql", "sql-not-allowed", f"The SQL cannot be read: {reason}.")]) from error
    if len(statements) != 1:
        text = f"A trait holds one statement; there are {len(statements)}."
        raise TraitError([Problem("/sql", "sql-not-allowed", text)])
    statement = statements[0].stmt
    if not isinstance(statement, ast.SelectStmt):
        name = type(statement).__name__.removesuffix("Stmt")
        raise TraitError(
            [Problem("/sql", "sql-not-allowed", f"{name} is not allowed in a trait: it begins with SELECT.")]
        )
    names, fence = _Names(), _Fence()
    names(statement)
    fence.named = names.found
    fence(statement)
    if fence.problems:
        raise TraitError(list(dict.fromkeys(fence.problems))[:20])


class _Names(Visitor):  # type: ignore[misc]
    """The names that WITH gives."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def visit_CommonTableExpr(self, ancestors: Any, node: Any) -> None:
        """One name."""
        self.found.add(node.ctename)
