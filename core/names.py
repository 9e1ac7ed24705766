"""Names that are free: of copies, and of what is made from something ready-made."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from core.intake import fold

LONGEST = 120


def free_name(name: str, rows: QuerySet[Any]) -> str:
    """The name, or the name with the first number that none of the rows has; that of a copy in the brackets, as in
    "Large (copy 2)"."""
    taken = set(rows.values_list("name_folded", flat=True))
    head, tail = (name.removesuffix(")"), ")") if name.endswith("(copy)") else (name, "")
    found, number = name[:LONGEST], 2
    while fold(found) in taken:
        found, number = f"{head[: LONGEST - 10]} {number}{tail}", number + 1
    return found
