"""What must be true before csbox can serve, made true step by step, with a line on the terminal for each."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from rich.console import Console

from core.failures import PlainError
from csbox import schedules
from csbox.environment import secret_file, text

DATA_SETS = ("ravenstack", "openstack-nova")
ADMIN = "admin"
console = Console(stderr=True, highlight=False, soft_wrap=True)


class Aside(io.TextIOBase):
    """Takes what a command reports while a step is running, and prints it beside the step's own line."""

    def write(self, text: str) -> int:
        """One line or several; empty ones are left out."""
        for line in text.splitlines():
            if line.strip():
                console.print(f"  {line.rstrip()}", style="dim", markup=False)
        return len(text)


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """One line: what happens, and how long it took."""
    began = time.monotonic()
    if console.is_terminal:
        with console.status(title):
            yield
    else:
        yield
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - began:.1f} s[/]")


@contextlib.contextmanager
def only_one(name: str) -> Iterator[None]:
    """Refuse a second `demo` or `run` with the same data directory while one is running."""
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    with open(settings.DATA_DIR / f"{name}.lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlainError(
                f"csbox is already running from {settings.BASE_DIR} ({running(name).get('place', 'starting')}): "
                "use it, or stop it first (Ctrl-C in its terminal)."
            ) from None
        lock.truncate(0)
        yield
        lock.truncate(0)


def announce(name: str, **facts: Any) -> None:
    """Let another start say where this one serves (place), and talk to it (pid)."""
    (settings.DATA_DIR / f"{name}.lock").write_text(json.dumps(facts) + "\n")


def running(name: str) -> dict[str, Any]:
    """What the `demo` or `run` of this data directory has announced; empty if none runs or it is only starting.

    Only the lock says that it runs: what one that was killed had announced may name a process of somebody else by now.
    """
    with contextlib.suppress(OSError, ValueError), open(settings.DATA_DIR / f"{name}.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return dict(json.loads(lock.read()))
    return {}


def database() -> None:
    """Start the database if it is ours, bring its tables up to date, and check what it is."""
    with step("Database" if not settings.DATABASE_IS_OURS else "PostgreSQL (embedded)"):
        connection.ensure_connection()
    problems = [m for m in checks.run_checks(databases=[DEFAULT_DB_ALIAS]) if m.is_serious() and not m.is_silenced()]
    if problems:
        raise PlainError("\n".join(f"{m.msg} {m.hint or ''}".strip() for m in problems))
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        with step("Tables"):
            call_command("migrate", interactive=False, verbosity=0)
    if "csbox_cache" not in connection.introspection.table_names():
        call_command("createcachetable", verbosity=0)
    schedules.sync()


def demo_data(accounts: int) -> None:
    """Fill an empty database with a data set, or with so many invented accounts.

    Loading is one transaction, so that an interrupted first start begins again.
    """
    if apps.get_model("accounts", "Account").objects.exists():
        return
    if (name := text("DEMO_DATA")) and (folder := chosen_data()):
        load: Callable[[], object] = lambda: _real_data(name, folder)  # noqa: E731
        title = f"Data set {name}"
    else:
        load = lambda: call_command("load_demo", accounts=accounts, stdout=Aside())  # noqa: E731
        title = "Demo company"
    with step(title), transaction.atomic():
        load()


def _real_data(name: str, folder: Path) -> None:
    """Load a data set, and take the ready-made segments that tell some of its accounts or users from the rest."""
    from segments.presets import offers, take_preset

    call_command("load_dataset", name, str(folder), stdout=Aside())
    rows = {"account": apps.get_model("accounts", "Account"), "user": apps.get_model("accounts", "EndUser")}
    there = {subject: model._default_manager.count() for subject, model in rows.items()}
    for offer in offers():
        if offer.count and offer.count < there[offer.preset.subject]:
            take_preset(offer.preset.key)


def chosen_data() -> Path | None:
    """The folder of the data set that DEMO_DATA names: DATA_DIR itself, or the folder of that name in it."""
    name = text("DEMO_DATA")
    if not name:
        return None
    if name not in DATA_SETS:
        raise PlainError(f"DEMO_DATA must be {' or '.join(DATA_SETS)}, not “{name}”; without it a company is made up.")
    given = Path(text("DATA_DIR", ".")).expanduser().absolute()
    folder = given / name if (given / name).is_dir() else given
    if not folder.is_dir() or not any(folder.glob("*.csv*")):
        raise PlainError(f"DEMO_DATA={name} needs DATA_DIR, the folder with its CSV files; {given} holds none.")
    return folder


def first_refresh(days: int) -> None:
    """Compute everything once, for each of the last days and for now; afterwards the worker keeps it fresh."""
    from csbox import pipeline
    from integrations.demo import alerting, judging, proving

    done = settings.DATA_DIR / "refreshed"
    identity = _database_identity()
    with contextlib.suppress(OSError):
        if done.read_text() == identity:
            return
    with step(f"Segments, health and alerts, day by day for {days} days"):
        pipeline.score_past_days(proving.KNOWN)
        pipeline.refresh_past_days(days)
        judging.know_better()
        pipeline.refresh_everything()
        alerting.answer()
        proving.conclude()
    done.write_text(identity)


def _database_identity() -> str:
    """Tells databases apart, so that the note about the first refresh counts for one of them only."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid, 'accounts_account'::regclass::oid FROM pg_database WHERE datname = current_database()"
        )
        return f"{connection.settings_dict['HOST']} {cursor.fetchone()}"


def log_in() -> tuple[str, str]:
    """The administrator and the password to show; a password that was changed in the application stays."""
    chosen = text("CSBOX_DEMO_PASSWORD")
    password = chosen or secret_file(settings.DATA_DIR / "admin_password", lambda: secrets.token_urlsafe(12))
    user, made = get_user_model().objects.get_or_create(
        username=ADMIN, defaults={"is_staff": True, "is_superuser": True, "email": "admin@example.com"}
    )
    if user.check_password(password):
        return ADMIN, password
    if made or chosen or not user.has_usable_password():
        user.set_password(password)
        user.save(update_fields=["password"])
        return ADMIN, password
    return ADMIN, "(the one you chose in the application)"


def quiet_logs() -> None:
    """Children log warnings only, so that the address stays in sight."""
    os.environ.setdefault("CSBOX_LOG_LEVEL", "WARNING")
    os.environ.setdefault("CSBOX_LOG_FORMAT", "plain")


def static_files() -> None:
    """The demo serves static files where the packages have them; whitenoise warns if its own directory is missing."""
    os.environ["CSBOX_STATIC_FROM_APPS"] = "1"
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
