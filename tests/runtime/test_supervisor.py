"""The worker goes on working when its processes are killed, and leaves none behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.jobs import ClusterState
from core.supervisor import Limits, Progress, Watch
from tests.runtime.conftest import Home, eventually


def state(waiting: int = 0, unsaved: int = 0) -> ClusterState:
    """What a cluster with two workers says."""
    return ClusterState("here", 1, "Working", waiting, unsaved, 2)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """Limits in round numbers."""
    return Watch(Limits(idle=30, task=330, silent=60))


def ask(watch: Watch, progress: Progress, now: float, said: ClusterState | None, due: float = 0.0) -> str:
    """The verdict at this moment."""
    return watch.verdict(said, due, progress, now)


def test_an_idle_cluster_is_well(watch: Watch, tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    assert [ask(watch, progress, now, state()) for now in (0, 100, 10_000)] == ["", "", ""]


def test_waiting_beside_a_free_worker_is_a_stall(watch: Watch, tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    assert ask(watch, progress, 0, state(waiting=2)) == ""
    assert ask(watch, progress, 29, state(waiting=2)) == ""
    assert "free worker" in ask(watch, progress, 31, state(waiting=2))


def test_a_backlog_that_moves_is_no_stall(watch: Watch, tmp_path: Path) -> None:
    """The queue looks equally long at every look; the marks show that tasks are taken."""
    progress = Progress(tmp_path)
    for now in range(0, 400, 20):
        progress._touch("taken")
        os.utime(tmp_path / "taken", ns=(now, now + 1))
        assert ask(watch, progress, now, state(waiting=2)) == ""


def test_long_tasks_are_no_stall(watch: Watch, tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    """Both workers are busy for minutes, and more waits: that is allowed for as long as a task may last."""
    progress = Progress(tmp_path)
    for pid in (os.getpid(), os.getppid()):
        (tmp_path / f"busy-{pid}").touch()
    assert ask(watch, progress, 0, state(waiting=2)) == ""
    assert ask(watch, progress, 320, state(waiting=2)) == ""
    assert "longer than a task" in ask(watch, progress, 331, state(waiting=2))


def test_a_dead_worker_is_not_busy(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.take()
    (tmp_path / "busy-999999999").touch()
    assert progress.busy() == 1
    progress.done()
    assert progress.busy() == 0


def test_results_that_nobody_saves(watch: Watch, tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    assert ask(watch, progress, 0, state(unsaved=1)) == ""
    assert "not saved" in ask(watch, progress, 31, state(unsaved=1))


def test_silence_and_unfetched_work(watch: Watch, tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    assert ask(watch, progress, 0, None) == ""
    assert "said nothing" in ask(watch, progress, 61, None)
    assert ask(watch, progress, 100, state(), due=40) == ""
    assert "not fetched" in ask(watch, progress, 131, state(), due=71)


# --- With real processes: a task of `os.mkdir` shows that it has run ------------------------------------------------


@pytest.fixture
def working(home_with_tables: Home) -> Iterator[Home]:
    """A supervised worker on a database of its own, that looks for stalls every few seconds."""
    home = home_with_tables
    home.start("work", "--patience", "4", "--grace", "3")
    done(home, "first", 40)
    yield home


def done(home: Home, name: str, seconds: float) -> None:
    """Ask for a task and wait until it has run."""
    folder = home.folder / name
    home.python(f"from core.jobs import enqueue; enqueue('os.mkdir', {str(folder)!r})")
    eventually(folder.exists, seconds, f"task {name}; {home.output()}")


def family(home: Home) -> tuple[int, int, list[int]]:
    """The cluster's main process, its sentinel, and the sentinel's children."""

    def children(parent: int) -> list[int]:
        return [p for p in home.processes("--cluster") if parent_of(p) == parent]

    main = children(home.started.pid)[0]
    sentinel = children(main)[0]
    return main, sentinel, children(sentinel)


def parent_of(pid: int) -> int:
    """0 for a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def kill(pids: list[int]) -> None:
    """As the OOM killer does."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.machine
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
def test_the_worker_survives_kills_and_leaves_nothing(working: Home) -> None:
    """Kill the idle workers (their queue's lock dies with one), then the main process, then stop."""
    main, _, children = family(working)
    kill(children)  # workers, saver and fetcher at once: the cluster looks alive and never works again
    lost = [str(working.folder / f"lost{number}") for number in range(4)]
    # What a frozen cluster has fetched comes back after `retry`; the next ones run.
    working.python(f"from core.jobs import enqueue; [enqueue('os.mkdir', name) for name in {lost}]")
    eventually(lambda: not Path(f"/proc/{main}").exists(), 40, f"the frozen cluster is ended; {working.output()}")
    done(working, "after-freeze", 40)

    main, sentinel, children = family(working)
    kill([main])
    eventually(lambda: not any(Path(f"/proc/{p}").exists() for p in [sentinel, *children]), 10, "no orphan works on")
    done(working, "after-kill", 40)

    working.started.terminate()
    assert working.started.wait(30) == 0
    assert not working.processes()
