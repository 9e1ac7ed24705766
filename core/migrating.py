"""How a new database gets all tables of an app at once.

Django renders every model that is related to a changed one anew after each operation of a migration. Most of ours are
related to accounts, so that making them one by one took ten thousand renderings, nearly all the time of a first start.

The tables are described in modules of each app's `migrations` whose names begin with `_`, as they were that day: what
changes later is a migration of its own. The migrations from before stay for databases that have not had all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.migrations.operations import CreateModel
from django.db.migrations.operations.base import Operation, OperationCategory
from django.db.migrations.state import ProjectState


class CreateModels(Operation):
    """Many `CreateModel` as one step: all of them become known first, and are rendered once.

    Their order is free, also where two refer to each other: PostgreSQL is given foreign keys at the end of a migration.
    """

    category = OperationCategory.ADDITION
    serialization_expand_args = ["operations"]

    def __init__(self, operations: Sequence[CreateModel]) -> None:
        self.operations = list(operations)

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Add the models; what was rendered before is left behind, and made anew when somebody asks for it."""
        state.__dict__.pop("apps", None)  # as ProjectState.clear_delayed_apps_cache does
        for operation in self.operations:
            operation.state_forwards(app_label, state)

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Make the tables of those models that this database is to have."""
        for operation in self.operations:
            operation.database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop the tables, the last one first."""
        for operation in reversed(self.operations):
            operation.database_backwards(app_label, schema_editor, from_state, to_state)

    def references_model(self, name: str, app_label: str) -> bool:
        """Whether one of the models is this one, or refers to it."""
        return any(operation.references_model(name, app_label) for operation in self.operations)

    def describe(self) -> str:
        """What `migrate --plan` prints."""
        return f"Create {len(self.operations)} models: {', '.join(one.name for one in self.operations)}"

    @property
    def migration_name_fragment(self) -> str:
        """For the name of a migration that is made of it."""
        return "models"
