"""The engine that settings name where there is no DATABASE_URL."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base, client
from django.db.utils import OperationalError

from core import embedded
from core.postgres import places

DATABASE = "csbox"


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell` with the psql that lies beside the embedded server."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Start the server, then name its own psql and its socket."""
        server = embedded.use(Path(settings_dict["OPTIONS"]["data_dir"]), DATABASE)
        settings = settings_dict | server.address() | {"OPTIONS": {}}
        args, env = super().settings_to_cmd_args_env(settings, list(parameters))
        return [str(places.bin_dir() / "psql"), *args[1:]], env


class DatabaseWrapper(base.DatabaseWrapper):
    """Starts the server, or finds it, once a process; asks again only when a connection fails."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """The server's socket instead of an address from the settings."""
        server = embedded.use(Path(self.settings_dict["OPTIONS"]["data_dir"]), DATABASE)
        self.settings_dict.update(server.address())
        params = super().get_connection_params()
        params.pop("data_dir", None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A server that somebody killed is started again, once, before the failure is reported."""
        try:
            return super().get_new_connection(conn_params)
        except (OperationalError, self.Database.OperationalError):
            if os.environ.get("CSBOX_NO_RESTART"):
                raise
            embedded.revive(Path(self.settings_dict["OPTIONS"]["data_dir"]), DATABASE)
            return super().get_new_connection(conn_params)
