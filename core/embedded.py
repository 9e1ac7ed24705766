"""A private PostgreSQL for machines that have none: the programs come from a wheel, the life cycle from here.

Rules, each learnt from a failure:
* A connection that shows the right data directory decides whether the server runs, never a pid in a file.
* The locale is fixed and never taken from LANG, so that every machine sorts alike.
* A server is stopped by the last process that used it. Every user holds a shared lock on a file, which the kernel
  releases even after kill -9, so nothing has to be counted.
* A data directory that was deleted under its running server is noticed: the old server would otherwise remove the new
  one's socket a minute later.
* The server has a session of its own, so Ctrl-C in a terminal reaches it through us, after everybody has finished.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psycopg
from psycopg import sql

from core.postgres import places
from core.postgres.places import EmbeddedPostgresError

USER, START_LIMIT = "csbox", 90.0
NO_SPACE = "No space left on device"


@dataclass(frozen=True)
class Server:
    """One cluster, at the place where it really lies (`places.settle`)."""

    data: Path

    @property
    def log(self) -> Path:
        """What the server itself has to say."""
        return self.data / "server.log"

    @property
    def socket_dir(self) -> Path:
        """The data directory, or a short private one when its path cannot be a socket's address.

        It may be too long (sockaddr_un has 108 bytes on Linux, 104 on macOS), or hold what would end it in the list of
        addresses that the server is given.
        """
        path = str(self.data / ".s.PGSQL.5432")
        if len(path.encode()) <= 100 and not set(path) & set(",'"):
            return self.data
        name = "csbox-" + hashlib.sha256(str(self.data).encode()).hexdigest()[:16]
        return Path("/tmp") / name  # noqa: S108  (made to be ours alone, see _private_socket_dir)

    def address(self) -> dict[str, str]:
        """Django's settings for a connection."""
        return {"HOST": str(self.socket_dir), "PORT": "5432", "USER": USER, "PASSWORD": ""}

    def connect(self, dbname: str = "postgres") -> psycopg.Connection[Any]:
        """A plain connection, for the launcher's own questions."""
        return psycopg.connect(
            host=str(self.socket_dir), port=5432, user=USER, dbname=dbname, autocommit=True, connect_timeout=5
        )

    def ready(self) -> bool:
        """Whether a server answers here, and is the one for this data directory."""
        try:
            with self.connect() as connection:
                return connection.execute("SHOW data_directory").fetchone() == (str(self.data),)
        except psycopg.Error:
            return False

    @contextlib.contextmanager
    def lock(self) -> Iterator[TextIO]:
        """One process at a time starts or stops the server; the file holds the pid of the last one started."""
        with open(self.data.with_name(self.data.name + ".lock"), "a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def join(self) -> int:
        """Become a user of the server; the number returned holds the shared lock until it is closed."""
        descriptor = os.open(self.data.with_name(self.data.name + ".users"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def ensure(self, dbname: str) -> None:
        """Initialise, start and create what is missing; cheap when everything is there."""
        with self.lock() as lock:
            if not (self.data / "PG_VERSION").exists():
                self._end_leftover(lock)
                self._initialise()
            if not self.ready():
                self._start()
            with contextlib.suppress(OSError):
                pid = (self.data / "postmaster.pid").read_text().split("\n", 1)[0]
                lock.truncate(0)
                lock.write(pid)
            with self.connect() as connection:
                found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (dbname,)).fetchone()
                if not found:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(dbname)))

    def stop(self) -> None:
        """Stop now, whoever uses it; committed work is safe either way."""
        with self.lock():
            self._stop()

    def stop_if_last(self, descriptor: int) -> bool:
        """Give up the shared lock, and stop the server when nobody else holds one."""
        with self.lock():
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                os.close(descriptor)
            self._stop()
            return True

    def _stop(self) -> None:
        if not (self.data / "postmaster.pid").exists():
            return
        code, _ = self._run("pg_ctl", "stop", "-m", "fast", "-w", "-t", "30", "-D", self.data)
        if code and self.ready():
            self._run("pg_ctl", "stop", "-m", "immediate", "-w", "-t", "10", "-D", self.data)
        if self.socket_dir != self.data:
            with contextlib.suppress(OSError):
                self.socket_dir.rmdir()

    def _start(self) -> None:
        """pg_ctl until a connection succeeds: crash recovery may take its time."""
        self._private_socket_dir()
        options = (
            f"-c listen_addresses='' -c unix_socket_directories='{self.socket_dir}' -c unix_socket_permissions=0700 "
            "-c port=5432 -c max_connections=200 -c jit=off"
        )
        deadline, failures = time.monotonic() + START_LIMIT, 0
        while True:
            # pg_ctl hands these to a shell, which would read a path's dollars and quotation marks; “.” has none.
            start = ("start", "-w", "-t", "60", "-D", ".", "-l", self.log.name, "-o", options)
            code, text = self._run("pg_ctl", *start, cwd=self.data)
            if self.ready():
                return
            tail = self._log_tail()
            if code and NO_SPACE in text + tail:
                raise EmbeddedPostgresError(full_disk(self.data))
            if code:
                failures += not self._clear_after_death()
            else:  # it runs, and yet its socket is gone: somebody has cleaned the directory of sockets
                self._run("pg_ctl", "stop", "-m", "fast", "-w", "-t", "30", "-D", self.data)
                self._private_socket_dir()
            if time.monotonic() > deadline or failures > 3:
                raise EmbeddedPostgresError(
                    f"The embedded PostgreSQL does not start; its log is {self.log}: {tail[-2000:].strip() or text}"
                )
            time.sleep(0.2)

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError), open(self.log, "rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4000))
            return file.read().decode(errors="replace")
        return ""

    def _private_socket_dir(self) -> None:
        """A directory for sockets in /tmp must be ours alone, or somebody else could pose as the database."""
        if self.socket_dir == self.data:
            return
        who = places.account(self.data)
        owner = who.get("user", os.geteuid())
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
            if who:
                os.chown(self.socket_dir, who["user"], who["group"])
        found = self.socket_dir.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise EmbeddedPostgresError(
                f"{self.socket_dir} belongs to somebody else: remove it, or use a shorter path."
            )

    def _initialise(self) -> None:
        who = places.account()
        self.data.mkdir(mode=0o700, exist_ok=True)
        if who:
            os.chown(self.data, who["user"], who["group"])
        code, text = self._run(
            "initdb", "-D", self.data, "-U", USER, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
        )  # fmt: skip
        if code and NO_SPACE in text:
            raise EmbeddedPostgresError(full_disk(self.data))
        if code:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL cannot be set up in {self.data}: {text.strip()[-2000:]}"
            )

    def _occupants(self) -> list[int]:
        """Processes that live in the data directory: a server's all do."""
        found = []
        for entry in Path("/proc").iterdir() if sys.platform == "linux" else ():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(entry / "cwd").removesuffix(" (deleted)") == str(self.data):
                        found.append(int(entry.name))
        return found

    def _clear_after_death(self) -> bool:
        """Clear away what a killed server left; False when there is nothing of the kind.

        Its pid may belong to another process by now (usual after a container's restart): PostgreSQL cannot tell and
        would refuse to start for ever. Its backends may still be busy: they have nobody to answer to.
        """
        if sys.platform != "linux":
            return False
        alive = self._occupants()
        pid_file = self.data / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError):
            if int(pid_file.read_text().split("\n", 1)[0]) in alive:
                return False  # a server, perhaps still recovering
        for orphan in alive:
            with contextlib.suppress(OSError):
                os.kill(orphan, signal.SIGQUIT)
        if alive:
            return True
        leftovers = [path for path in (pid_file, self.socket_dir / ".s.PGSQL.5432.lock") if path.exists()]
        for path in leftovers:
            path.unlink()
        return bool(leftovers)

    def _end_leftover(self, lock: TextIO) -> None:
        """The directory is new: end the server of one that was deleted."""
        lock.seek(0)
        pid = lock.read().strip()
        if not pid.isdigit() or int(pid) not in self._occupants():
            return
        with contextlib.suppress(OSError):
            os.kill(int(pid), signal.SIGQUIT)
            for _ in range(100):
                os.kill(int(pid), 0)
                time.sleep(0.05)

    def _run(self, program: str, *args: object, cwd: Path = Path("/")) -> tuple[int, str]:
        """One of PostgreSQL's programs, as the right account, with nothing of our surroundings."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_", "LANG"))}
        with tempfile.TemporaryFile("w+", errors="replace") as out:  # a pipe would stay open in the server and block us
            done = subprocess.run(
                [str(places.bin_dir() / program), *map(str, args)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=env | {"LC_ALL": "C"},
                cwd=cwd,
                start_new_session=True,
                umask=0o077,
                **places.account(self.data),
            )
            out.seek(0)
            return done.returncode, out.read()


def full_disk(place: Path) -> str:
    """The sentence for a disk without room."""
    return f"The disk is full: make room on the file system of {place}, then run the same command again."


_used: dict[Path, tuple[Server, int, int]] = {}  # asked path -> server, descriptor of the shared lock, our pid


def use(asked: Path, dbname: str) -> Server:
    """The running server for this path, started if need be; asked once a process."""
    if asked in _used:
        return _used[asked][0]  # a forked child shares its parent's lock
    asked.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(asked.parent, os.W_OK):
        raise PermissionError(13, "Permission denied", str(asked.parent))
    with open(asked.with_name(asked.name + ".settling"), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        server = Server(places.settle(asked))
    with server.lock():  # not while somebody stops it
        descriptor = server.join()
    try:
        server.ensure(dbname)
    except BaseException:
        os.close(descriptor)
        raise
    _used[asked] = (server, descriptor, os.getpid())
    return server


def revive(asked: Path, dbname: str) -> None:
    """Start the server again after a connection failed, if it is the server that is gone."""
    if asked in _used:
        _used[asked][0].ensure(dbname)


def is_server(pid: int) -> bool:
    """Whether this process is the main process of a server that we use (it may have become our child)."""
    for server, _, _ in _used.values():
        with contextlib.suppress(OSError):
            if (server.data / "postmaster.pid").read_text().split("\n", 1)[0] == str(pid):
                return True
    return False


def let_go() -> None:
    """Stop every server of which this process was the last user."""
    for asked, (server, descriptor, pid) in list(_used.items()):
        if pid == os.getpid():
            del _used[asked]
            with contextlib.suppress(OSError, EmbeddedPostgresError):
                server.stop_if_last(descriptor)


atexit.register(let_go)
