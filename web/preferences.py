"""How a person likes their pages: theme, row density, single-key shortcuts, columns; and when they looked at some.

Kept with the team member; a log-in without one (an administrator) keeps them for the session.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

THEMES = ("system", "light", "dark")
DENSITIES = ("comfortable", "compact")
MAX_COLUMNS = 20
_SESSION_KEY = "preferences"


@dataclass(frozen=True)
class Preferences:
    """The choices as pages use them; unknown stored values count as not chosen."""

    theme: str = "system"
    density: str = "comfortable"
    shortcuts: bool = True
    columns: dict[str, list[str]] = field(default_factory=dict)
    portfolio: dict[str, str] = field(default_factory=dict)


def read_preferences(request: HttpRequest) -> Preferences:
    """What this person chose, or the defaults."""
    stored = _stored(request)
    columns, looked = stored.get("columns"), stored.get("portfolio")
    kept = columns if isinstance(columns, dict) else {}
    return Preferences(
        theme=stored["theme"] if stored.get("theme") in THEMES else "system",
        density=stored["density"] if stored.get("density") in DENSITIES else "comfortable",
        shortcuts=stored.get("shortcuts") is not False,
        columns={str(k): [str(item) for item in v][:MAX_COLUMNS] for k, v in kept.items() if isinstance(v, list)},
        portfolio={str(k): str(v) for k, v in looked.items()} if isinstance(looked, dict) else {},
    )


def write_preferences(request: HttpRequest, **changes: Any) -> None:
    """Keep some choices and leave the others as they are."""
    stored = {**_stored(request), **changes}
    member = getattr(request.user, "member", None)
    if member is None:
        request.session[_SESSION_KEY] = stored
        return
    member.preferences = stored
    member.save(update_fields=["preferences"])


def _stored(request: HttpRequest) -> dict[str, Any]:
    member = getattr(request.user, "member", None)
    found = member.preferences if member is not None else request.session.get(_SESSION_KEY)
    return dict(found) if isinstance(found, dict) else {}
