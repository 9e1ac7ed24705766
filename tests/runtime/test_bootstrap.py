"""The first command on a stranger's machine: an environment, or one sentence that says what to do."""

from __future__ import annotations

import ast
import errno
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from csbox import bootstrap
from tests.runtime.conftest import ROOT, Home

pytestmark = pytest.mark.machine


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an empty lock, seen from outside any environment, on a machine without uv."""
    venv = tmp_path / ".venv"
    for name, value in {
        "ROOT": tmp_path,
        "VENV": venv,
        "LOCK": tmp_path / "requirements.lock",
        "PYTHON": venv / "bin" / "python",
        "STAMP": venv / ".csbox-lock",
    }.items():
        monkeypatch.setattr(bootstrap, name, value)
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    return tmp_path


def sentence(caught: pytest.ExceptionInfo[SystemExit]) -> str:
    """What the user reads."""
    text = str(caught.value.code)
    assert "Traceback" not in text
    return text


def test_files_of_the_first_moment_parse_on_an_old_python() -> None:
    """Else an old Python would answer with a syntax error instead of the sentence."""
    for name in ("manage.py", "csbox/__init__.py", "csbox/bootstrap.py"):
        ast.parse((ROOT / name).read_text(), feature_version=(3, 7))


def test_an_old_python_is_told(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit) as caught:
        bootstrap.ensure()
    assert "needs Python 3.11 or newer" in sentence(caught)


def test_a_missing_venv_module_is_named(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "ensurepip" else real(name, *a))
    with pytest.raises(SystemExit) as caught:
        bootstrap.ensure()
    assert "apt-get install python3-venv" in sentence(caught)


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "may not write"), (errno.EACCES, "may not write")],
)
def test_a_refusing_file_system(monkeypatch: pytest.MonkeyPatch, project: Path, number: int, words: str) -> None:
    def refuse(base: str) -> None:
        raise OSError(number, os.strerror(number), str(project))

    monkeypatch.setattr(bootstrap, "_build", refuse)
    with pytest.raises(SystemExit) as caught:
        bootstrap.ensure()
    assert words in sentence(caught) and str(project) in sentence(caught)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ERROR: Could not install packages: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for django==5.2.19", "could not be downloaded"),
        ("The virtual environment was not created because ensurepip is not available", "python3-venv"),
        ("something new", "something new"),
    ],
)
def test_what_pip_says_becomes_a_sentence(project: Path, said: str, words: str) -> None:
    with pytest.raises(bootstrap.SetUpFailed, match=words):
        bootstrap._call([sys.executable, "-c", f"print({said!r}); raise SystemExit(1)"], 0)


def test_a_step_does_not_outlive_us(project: Path) -> None:
    """Interrupted set-up leaves no pip behind."""
    script = (
        "import sys, signal; sys.path.insert(0, sys.argv[1]); from csbox import bootstrap;"
        "print('go', flush=True); bootstrap._call([sys.executable, '-c', 'import time; time.sleep(77.5)'], 0)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, str(ROOT)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "go\n"
    import time

    time.sleep(0.5)
    child.terminate()
    assert child.wait(10) == 143
    assert "sleep(77.5)" not in subprocess.run(["ps", "axww"], capture_output=True, text=True).stdout


def test_the_environment_is_made_once(project: Path) -> None:
    assert bootstrap._make_sure(sys.executable) is True
    assert bootstrap.is_ready()
    assert bootstrap._make_sure(sys.executable) is False
    (project / "requirements.lock").write_text("# something else\n")
    assert not bootstrap.is_ready()  # a new lock
    assert bootstrap._make_sure(sys.executable) is True
    bootstrap.PYTHON.unlink()
    assert not bootstrap.is_ready()  # an interpreter that is gone


def test_commands_find_the_environment_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys._base_executable, str(ROOT / "manage.py"), "version"],  # type: ignore[attr-defined]
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in ("HOME", "DJANGO_SETTINGS_MODULE")},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5.2.")


def test_arguments_go_to_pytest_and_browser_tests_tell_why_they_are_skipped(home: Home) -> None:
    """On a machine without Chromium; continuous integration demands one instead."""
    done = home.manage("test", "-q", "-rs", "-n", "0", "tests/browser/test_reasons.py", PATH=str(home.folder))
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-2:]
    assert re.fullmatch(r"\d+ skipped in .*", last[1]), done.stdout
    there = importlib.util.find_spec("playwright") is not None
    why = "there is no Chromium on this machine" if there else "the packages of the group “browser” are not installed"
    assert "SKIPPED" in last[0] and why in last[0]
    assert "CSBOX_REQUIRE_BROWSER=1" in (ROOT / ".ci" / "run").read_text()
