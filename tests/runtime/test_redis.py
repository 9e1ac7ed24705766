"""With REDIS_URL the queue is in Redis: a real server, and a real worker that does what it finds there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.runtime.conftest import ROOT, Home, eventually, nothing_is_left

QUEUE = "django_q:csbox:q"
# Q_CLUSTER as the settings make it, and the broker that django-q2 makes of it.
SHOW = """
from django.conf import settings
from django_q.brokers import get_broker
q = settings.Q_CLUSTER
print(q.get("redis"), q.get("orm"), type(get_broker()).__module__.rsplit(".", 1)[-1])
"""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("", "None default orm"),
        ("redis://127.0.0.1:1/0", "redis://127.0.0.1:1/0 None redis_broker"),
    ],
)
def test_the_address_decides_where_the_queue_is(home: Home, url: str, shown: str) -> None:
    run = f"import django; django.setup()\n{SHOW}"
    env = home.env | {"REDIS_URL": url, "DJANGO_SETTINGS_MODULE": "csbox.settings"}
    done = subprocess.run([sys.executable, "-c", run], cwd=ROOT, env=env, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == (shown, 0), done.stderr


@pytest.fixture
def redis(home_with_tables: Home) -> Iterator[Redis]:
    """A server of this test's own on a socket in the home's folder; it keeps nothing on disk."""
    if not shutil.which("redis-server"):
        why = "there is no redis-server on this machine (apt-get install redis-server)"
        if os.environ.get("CSBOX_REQUIRE_REDIS") == "1":
            pytest.fail(f"CSBOX_REQUIRE_REDIS=1, and {why}", pytrace=False)
        pytest.skip(why)
    folder = home_with_tables.folder
    place = folder / "redis.sock"
    quiet = ["--port", "0", "--save", "", "--dir", str(folder), "--logfile", str(folder / "redis.log")]
    server = subprocess.Popen(["redis-server", "--unixsocket", str(place), *quiet])
    try:
        eventually(place.exists, 10, "redis-server")
        home_with_tables.env["REDIS_URL"] = f"unix://{place}"
        with Redis(unix_socket_path=str(place)) as client:
            yield client
    finally:
        server.terminate()
        server.wait(10)


DAILY = """
import time
from core.jobs import enqueue
from segments.models import RefreshRun
enqueue("csbox.tasks.tick")  # the schedule's own first one may be half a minute away
done = RefreshRun.objects.filter(trigger="daily", state="done")
until = time.monotonic() + 80
while not done.exists() and time.monotonic() < until:
    time.sleep(0.2)
print(done.count())
"""


@pytest.mark.machine
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_takes_its_tasks_from_redis_and_does_them_and_the_daily_refresh(
    home_with_tables: Home, redis: Redis
) -> None:
    home = home_with_tables
    made = home.folder / "made"
    ask = f"""
from django.db import transaction
from django_q.models import OrmQ
from core.jobs import enqueue, waiting
with transaction.atomic():
    enqueue("os.mkdir", {str(made)!r})
    print(waiting(), end=" ")
try:
    with transaction.atomic():
        enqueue("os.mkdir", {str(made) + "-never"!r})
        raise ZeroDivisionError
except ZeroDivisionError:
    print(waiting(), OrmQ.objects.count())
"""
    assert home.python(ask) == "0 1 0"  # told after the commit, not told of a rollback, and no row in the database
    assert redis.llen(QUEUE) == 1 and not made.exists()
    worker = home.start("work", "--grace", "3")
    eventually(made.exists, 40, f"the task; {home.output()}")
    # What runs by the clock comes the same way: a tick finds that today's refresh is due.
    assert home.python(DAILY) == "1"
    eventually(lambda: redis.llen(QUEUE) == 0, 20)
    assert not (home.folder / "made-never").exists()
    worker.terminate()
    assert worker.wait(20) is not None
    redis.shutdown(nosave=True)
    nothing_is_left(home)
