"""A private home for a server of its own, and a way to see which processes belong to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo

from core.embedded import USER, Server
from core.postgres import places
from tests.committing import committed, is_test_database

__all__ = ["committed"]
ROOT = Path(__file__).resolve().parent.parent.parent


def _hear_signals() -> None:
    """As in a terminal, though the tests were started with nohup or in the background of a script."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Home:
    """A data directory, the environment of commands that use it, and the processes that do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.started: subprocess.Popen[str] | None = None
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("CSBOX_", "DATABASE_URL", "REDIS_URL"))}
        self.env = kept | {"CSBOX_DATA_DIR": str(self.data), "CSBOX_SYSTEM_DIR": str(folder / "system")}
        self.env["TMPDIR"] = str(folder)
        for name in ("DJANGO_SETTINGS_MODULE", "DEMO_DATA", "DATA_DIR"):
            self.env.pop(name, None)

    def manage(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *args], env=self.env | env, capture_output=True, text=True
        )

    def start(self, *args: str, **env: str) -> subprocess.Popen[str]:
        """Start a command as a terminal would: in a group of its own, its output in a file."""
        with open(self.folder / "output.txt", "w") as out:
            self.started = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), *args],
                env=self.env | env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=_hear_signals,
            )
        return self.started

    def ended(self) -> bool:
        """Whether the last started command is over."""
        return self.started is not None and self.started.poll() is not None

    def output(self) -> str:
        """What the last started command has said."""
        return (self.folder / "output.txt").read_text()

    def python(self, code: str) -> str:
        """A few lines in Django's shell."""
        done = self.manage("shell", "-v", "0", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def processes(self, word: str = "") -> list[int]:
        """Every live process that was started with this home, or runs a database in it."""
        marks = (f"CSBOX_DATA_DIR={self.data}".encode(), str(self.folder).encode())
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                ours = marks[0] in (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes()
                if (ours or marks[1] in command) and command and word.encode() in command.replace(b"\0", b" "):
                    found.append(int(entry.name))
        return sorted(found)


def nothing_is_left(home: Home, seconds: float = 30.0) -> None:
    """Wait until no process of this home is there; what is there after that time is said."""
    until = time.monotonic() + seconds
    while found := home.processes():
        if time.monotonic() > until:
            lines = []
            for pid in found:
                with contextlib.suppress(OSError):
                    lines.append(f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes().replace(bytes(1), b' ').decode()}")
            pytest.fail(f"after {seconds} s there are still {lines}; {home.output()[-2000:]}")
        time.sleep(0.1)


def eventually(condition: Callable[[], object], seconds: float = 30.0, what: str = "") -> None:
    """Wait until it holds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds} s: {what or condition}")
        time.sleep(0.1)


def free_port() -> int:
    """A port that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _folder() -> Path:
    """A new folder outside pytest's own, which are private to their user; in memory where there is room for a few
    clusters and programs may run, because making and dropping one there takes two thirds of the time."""
    memory = Path("/dev/shm")
    parent = "/var/tmp"
    if memory.is_dir():
        found = os.statvfs(memory)
        if found.f_bavail * found.f_frsize > 4 << 30 and not found.f_flag & os.ST_NOEXEC:
            parent = str(memory)
    folder = Path(tempfile.mkdtemp(prefix="csbox-test-", dir=parent))
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def cluster_with_tables(django_db_setup: None, django_db_blocker: Any) -> Iterator[Path]:
    """A stopped server whose database has every table: a copy of the tests' own, which migrations have made.

    Copying is quicker than migrating. The life of a demo shows that a first start does the latter by itself.
    """
    place = Home(_folder())
    place.data.mkdir()
    server = Server(place.data / "postgres")
    try:
        server.ensure("csbox")
        with django_db_blocker.unblock():
            ours, given = is_test_database(), connection.get_connection_params()
            connection.close()
        if ours:
            named = ("dbname", "host", "port", "user", "password")
            _copy_database(make_conninfo(**{key: str(given[key]) for key in named if given.get(key)}), server)
        else:  # no test of this run asks for a database
            assert place.manage("migrate", "-v", "0").returncode == 0
        done = place.manage("createcachetable")  # the tests' own settings need none; it stops the server, too
        assert done.returncode == 0, done.stderr
        yield server.data
    finally:
        server.stop()
        shutil.rmtree(place.folder)


def _copy_database(source: str, server: Server) -> None:
    target = make_conninfo(host=str(server.socket_dir), port=5432, user=USER, dbname="csbox")
    dump = subprocess.Popen(
        [places.bin_dir() / "pg_dump", "--no-owner", "--no-privileges", source], stdout=subprocess.PIPE
    )
    fill = [places.bin_dir() / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", target]
    subprocess.run(fill, stdin=dump.stdout, stdout=subprocess.DEVNULL, check=True)
    assert dump.wait() == 0


@pytest.fixture
def home_with_tables(home: Home, cluster_with_tables: Path) -> Home:
    """A home whose database need not be migrated; its server does not run yet."""
    home.data.mkdir()
    subprocess.run(["cp", "-a", cluster_with_tables, home.data / "postgres"], check=True)
    return home


@pytest.fixture
def home() -> Iterator[Home]:
    """A home of this test's own; nothing is left of it afterwards."""
    folder = _folder()
    place = Home(folder)
    yield place
    for pid in place.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)
