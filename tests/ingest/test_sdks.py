"""The SDKs that companies use, unmodified, against a real server over a line that fails three times out of ten."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.models import Account, EndUser, Relationship
from integrations.models import Identity, Message, Outcome
from integrations.tracking import keys
from tests.ingest.conftest import KEY
from tests.ingest.serving import Disturber, Server, served
from usage.models import Event, MessageReceipt

NUMBER = 2_000
SDKS = Path(__file__).resolve().parent.parent / "sdk"
# A session's database is made for tests that ask for it; these use a server beside it.
pytestmark = [pytest.mark.machine, pytest.mark.usefixtures("committed")]


def or_skip(why: str) -> None:
    """Without an SDK there is nothing to show, except where it is required."""
    if os.environ.get("CSBOX_REQUIRE_SDKS") == "1":
        pytest.fail(f"CSBOX_REQUIRE_SDKS=1, and {why}", pytrace=False)
    pytest.skip(why)


@pytest.fixture(scope="session")
def python_sdks() -> Path:
    """The Python SDKs in a folder of their own: they ask for older releases of packages that csbox uses."""
    lock = SDKS / "python" / "requirements.lock"
    folder = Path(sys.prefix) / f"sdk-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        draft = Path(tempfile.mkdtemp(prefix="sdk-", dir=sys.prefix))
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-qq",
            "--require-hashes",
            "--no-deps",
            "--target",
            str(draft),
        ]
        done = subprocess.run([*install, "-r", str(lock)], capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(draft)
            or_skip(f"the Python SDKs cannot be installed: {done.stderr[-300:]}")
        if folder.exists():  # another process was quicker
            shutil.rmtree(draft)
        else:
            draft.rename(folder)
    return folder


@pytest.fixture
def server() -> Iterator[Server]:
    """A server over the test database."""
    with tempfile.TemporaryDirectory(prefix="csbox-ingest-") as folder, served(Path(folder)) as running:
        yield running


def deliver(server: Server, command: list[str], **env: str) -> Disturber:
    """Run an SDK behind the disturber, and compare what it sent with what is stored."""
    keys.create_source("Web app", key=KEY)
    proxy = Disturber(server.port)
    done = subprocess.run(
        [*command, proxy.url, KEY, str(NUMBER)], env=os.environ | env, capture_output=True, text=True, timeout=240
    )
    proxy.shutdown()
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"failed": []}
    assert len(proxy.seen) == NUMBER
    stored = list(MessageReceipt.objects.values_list("message_id", flat=True))
    assert len(stored) == NUMBER and set(stored) == proxy.seen  # none lost, none twice
    taken = Message.objects.exclude(outcome=Outcome.DUPLICATE)
    assert taken.count() == NUMBER and not taken.filter(outcome__in=[Outcome.DROPPED, Outcome.FAILED]).exists()
    assert Event.objects.count() == sum(2 <= n % 7 <= 5 for n in range(NUMBER))
    assert Event.objects.values("message_id").distinct().count() == Event.objects.count()
    assert Account.objects.count() == 8 and EndUser.objects.count() == 40 and Relationship.objects.count() > 8
    assert Account.objects.filter(name="Acme", stated_licences=12).count() == 8
    aliases = Identity.objects.filter(name__startswith="visitor-").values_list("name", "user__external_id")
    assert set(aliases) == {(f"visitor-{n}", f"u{n}") for n in range(40)}
    assert not EndUser.objects.filter(email="").exclude(attributes={}).exists()
    assert set(proxy.done) == set(Disturber.WAYS), proxy.done
    log = server.log.read_text()
    assert "Traceback" not in log and "deadlock" not in log, log[-2000:]
    return proxy


@pytest.mark.parametrize("which", ["segment", "rudder"])
def test_python_sdks_lose_nothing_and_double_nothing(server: Server, python_sdks: Path, which: str) -> None:
    command = [sys.executable, str(SDKS / "python" / "send.py"), which]
    deliver(server, command, PYTHONPATH=str(python_sdks))


@pytest.mark.parametrize("which", ["segment", "rudder"])
def test_node_sdks_lose_nothing_and_double_nothing(server: Server, which: str) -> None:
    if not shutil.which("node"):
        or_skip("there is no Node on this machine")
    if not (SDKS / "node" / "node_modules").exists():
        or_skip("the Node SDKs are not installed (npm ci --prefix tests/sdk/node)")
    deliver(server, ["node", str(SDKS / "node" / "send.mjs"), which])


@pytest.mark.parametrize(("which", "events"), [("posthog", 30), ("userlist", 1)])
def test_clients_of_other_dialects_are_understood(server: Server, python_sdks: Path, which: str, events: int) -> None:
    keys.create_source("Web app", key=KEY)
    command = [sys.executable, str(SDKS / "python" / "dialects.py"), which, f"http://127.0.0.1:{server.port}", KEY]
    env = os.environ | {"PYTHONPATH": str(python_sdks)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    assert Event.objects.filter(account__external_id="a1", user__external_id="u1").count() == events
    assert Account.objects.get().name == "Acme"
    assert EndUser.objects.get(external_id="u1").title == "CFO"
    assert not Message.objects.filter(outcome__in=[Outcome.DROPPED, Outcome.FAILED]).exists()
    if which == "userlist":
        assert Relationship.objects.open().get().role == "owner"
