"""`manage.py demo` from an empty directory to a page with a log-in, through kills, and to the end without a trace."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from csbox import serving
from tests.runtime.conftest import ROOT, Home, eventually, free_port, nothing_is_left
from tests.runtime.test_supervisor import parent_of

pytestmark = pytest.mark.machine


def page(port: int, path: str = "/") -> tuple[int, str]:
    """Status and text, redirects followed; (0, "") where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError:
        return 0, ""


def log_in(port: int, user: str, password: str) -> int:
    """The status of the admin's first page after logging in through its form."""
    place = f"http://127.0.0.1:{port}/admin/"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    form = browser.open(f"{place}login/", timeout=20).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token
    fields = {"username": user, "password": password, "csrfmiddlewaretoken": token[1], "next": "/admin/"}
    answer = browser.open(f"{place}login/", urllib.parse.urlencode(fields).encode(), timeout=20)
    return answer.status if answer.url == place else 0


def shown(home: Home, port: int, seconds: float = 180) -> re.Match[str]:
    """Wait for the address; the match holds user and password."""
    words = re.compile(rf"csbox is at http://127\.0\.0\.1:{port}\n\s+log in as\s+(\S+)\s+password\s+(\S+)\n")
    eventually(lambda: words.search(home.output()) or home.ended(), seconds, "the address is shown")
    found = words.search(home.output())
    assert found, home.output()
    return found


def counts(home: Home) -> str:
    """What is in the database."""
    return home.python("from accounts.models import Account; print(Account.objects.count())")


def test_the_whole_life_of_a_demo(home: Home) -> None:
    """Start, log in, refuse a second start, survive kills, stop; start again with the same data, stop by Ctrl-C."""
    port = free_port()
    # Fewer accounts and days than usual: how much is computed changes nothing here.
    demo = home.start("demo", "--port", str(port), "--accounts", "12", "--days", "3")
    user, password = shown(home, port).groups()
    assert user == "admin" and log_in(port, user, password) == 200
    assert "Traceback" not in home.output()

    second = home.manage("demo", "--port", str(free_port()))
    assert second.returncode == 1
    assert f"already running from {ROOT} (http://127.0.0.1:{port})" in second.stderr

    victims = [p for p in home.processes() if parent_of(p) == demo.pid and p not in home.processes("postgres")]
    assert len(victims) == 2  # gunicorn and the supervisor
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.5)
    eventually(lambda: page(port, "/admin/login/")[0] == 200, 30, "the pages come back")

    accounts = counts(home)
    assert int(accounts) == 12
    demo.terminate()
    assert demo.wait(40) == 0, home.output()
    assert not home.processes()

    began = time.monotonic()
    demo = home.start("demo", "--port", str(port))
    assert shown(home, port, 30).groups() == (user, password)
    assert time.monotonic() - began < 20
    assert counts(home) == accounts
    os.kill(demo.pid, signal.SIGINT)
    assert demo.wait(40) == 0
    assert not home.processes()
    assert page(port)[0] == 0


def test_killing_the_demo_itself_ends_its_children(home_with_tables: Home) -> None:
    """After kill -9 the kernel tells the children, and the last of them stops the database."""
    home, port = home_with_tables, free_port()
    demo = home.start("run", "--port", str(port))
    eventually(lambda: page(port, "/healthz")[0] == 200 or home.ended(), 60, "the pages answer")
    # One that is killed while it is still starting leaves the database to the next start.
    eventually(lambda: home.processes("--cluster") or home.ended(), 60, "the worker runs")
    assert not home.ended(), home.output()
    demo.kill()
    demo.wait()
    nothing_is_left(home, 60)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_before_it_serves(home: Home, how: signal.Signals) -> None:
    """Ctrl-C or a closed terminal in the middle of the first set-up: nothing runs on."""
    demo = home.start("demo", "--port", str(free_port()))
    eventually(lambda: "PostgreSQL" in home.output(), 30)
    os.kill(demo.pid, how)
    assert demo.wait(30) == 128 + how
    assert "Traceback" not in home.output(), home.output()
    nothing_is_left(home, 10)


def test_a_taken_port(home: Home) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = home.manage("demo", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr == (
        f"Port {port} is taken: stop the program that uses it, or choose another one with --port {port + 1}.\n"
    )
    assert not Path(home.data / "postgres").exists()  # said before anything slow


def test_a_wrong_data_set(home: Home) -> None:
    done = home.manage("demo", "--port", str(free_port()), DEMO_DATA="ravenstak")
    assert done.returncode == 1
    assert "DEMO_DATA must be ravenstack or openstack-nova" in done.stderr and "Traceback" not in done.stderr
    done = home.manage("demo", "--port", str(free_port()), DEMO_DATA="ravenstack", DATA_DIR=str(home.folder))
    assert "needs DATA_DIR" in done.stderr and "Traceback" not in done.stderr
    assert not home.processes()


def test_a_database_that_does_not_answer(home: Home) -> None:
    url = "postgresql://nobody@127.0.0.1:9/none"
    done = home.manage("demo", "--port", str(free_port()), DATABASE_URL=url)
    assert done.returncode == 1
    assert "DATABASE_URL names does not answer" in done.stderr and "Traceback" not in done.stderr


def test_a_claimed_port_is_nobody_elses() -> None:
    port = free_port()
    with serving.claim_port("127.0.0.1", port), pytest.raises(serving.PlainError, match=f"Port {port} is taken"):
        serving.claim_port("127.0.0.1", port)
