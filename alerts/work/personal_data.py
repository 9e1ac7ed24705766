"""What tasks hold about an account, and where their free texts may name a person."""

from __future__ import annotations

from accounts.personal_data import mentions_in, of_account, redacting
from accounts.privacy.holdings import ACCOUNT, USER, Holding
from alerts.models import Task

_MENTIONS = {"title": "Titles", "text": "Texts", "note": "Notes"}
TASKS = (
    *(
        Holding(
            key=f"task_{column}_mentions", label=f"{what} of tasks that name the person (name, e-mail and id removed)",
            model=Task, order=30, find={USER: mentions_in(Task, column)},
            erase=redacting(f"task_{column}_mentions", column),
            columns={"at": "created_at", "account": "account__external_id", column: column},
        )
        for column, what in _MENTIONS.items()
    ),
    Holding(
        key="tasks", label="Tasks", model=Task, find={ACCOUNT: of_account(Task)},
        columns={
            "created_at": "created_at", "title": "title", "text": "text", "due_on": "due_on", "state": "state",
            "outcome": "outcome", "note": "note", "done_at": "done_at",
        },
    ),
)  # fmt: skip
