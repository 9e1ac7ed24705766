"""Give `python3 manage.py …` its dependencies on a machine that has only Python.

Standard library only. Makes `.venv` beside manage.py from requirements.lock, with hash checking, and runs the same
command again inside it. Does nothing with CSBOX_NO_BOOTSTRAP=1 (an image that installed the application) or inside
somebody's own environment that has Django. Rebuilds when the lock changes, or when an upgrade replaced the
interpreter.

Everything that can go wrong on a stranger's machine ends in one sentence that says what to do, never in a traceback.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from typing import Iterator, NoReturn

ROOT = pathlib.Path(__file__).resolve().parent.parent
VENV, LOCK = ROOT / ".venv", ROOT / "requirements.lock"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / ".csbox-lock"
NEEDS = (3, 11)

FULL_DISK = (
    "The disk is full: make room for about 400 MB on the file system of {place}, then run the same command again."
)
NO_WRITE = "csbox may not write to {place}: copy the project to a directory that is yours, or mend its permissions."
NO_VENV = (
    "This Python has no working venv module. On Debian or Ubuntu install it with: apt-get install python3-venv, "
    "then run the same command again."
)


class SetUpFailed(Exception):
    """Carries the one sentence that the user gets to read."""


def ensure() -> None:
    """Return inside a ready environment, or replace this process by one that runs in it."""
    if os.environ.get("CSBOX_NO_BOOTSTRAP"):
        return
    if sys.version_info < NEEDS:
        sys.exit(f"csbox needs Python 3.11 or newer; this is {sys.version.split()[0]} at {sys.executable}.")
    inside_ours = pathlib.Path(sys.prefix).resolve() == VENV.resolve()
    foreign = sys.prefix != sys.base_prefix and not inside_ours
    if foreign and importlib.util.find_spec("django") and importlib.util.find_spec("django_q"):
        return  # an environment somebody made and activated
    try:
        base = getattr(sys, "_base_executable", "") or sys.executable
        built = _make_sure(base)
    except SetUpFailed as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit(130)
    if inside_ours and not built:
        return
    _run_again()


def wanted() -> str:
    """What the stamp of an up-to-date environment begins with."""
    return hashlib.sha256(LOCK.read_bytes()).hexdigest()


def is_ready() -> bool:
    """Whether `.venv` was completed from this lock, and its interpreter is still there and the same one.

    Any Python 3.11+ may have made it: two on one machine do not rebuild it in turn. Only from inside can be seen that
    an upgrade has put another version behind the same link, which finds no packages.
    """
    try:
        lock, version = STAMP.read_text().split()
        inside_ours = pathlib.Path(sys.prefix).resolve() == VENV.resolve()
        return PYTHON.exists() and lock == wanted() and (not inside_ours or version == _version())
    except (OSError, ValueError):
        return False


def _version() -> str:
    return "%d.%d" % sys.version_info[:2]


def _make_sure(base: str) -> bool:
    """Build the environment unless it is ready; True when it was built."""
    if is_ready():
        return False
    try:
        with _one_at_a_time():
            if is_ready():  # another process built it while we waited
                return True
            _build(base)
    except OSError as error:
        raise SetUpFailed(explain_os_error(error)) from error
    return True


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two first commands at once must not build the same environment twice."""
    if os.name == "nt":
        yield
        return
    import fcntl

    with open(ROOT / ".venv.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(base: str) -> None:
    total = sum(1 for line in LOCK.read_text().splitlines() if line[:1].isalnum())
    _say(f"Setting up {VENV} from {LOCK.name}: {total} packages, about 90 MB to download, once.")
    uv = shutil.which("uv")
    if uv and _build_with_uv(uv, base):
        pass
    else:
        if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
            raise SetUpFailed(NO_VENV)
        _call([base, "-m", "venv", "--clear", str(VENV)], 0)
        _call(
            [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off"]
            + ["--require-hashes", "--no-deps", "-r", str(LOCK)],
            total,
        )
    STAMP.write_text(f"{wanted()} {_version()}\n")
    _say("The environment is ready.")


def _build_with_uv(uv: str, base: str) -> bool:
    """uv where it is on the PATH, because it is faster; False when it fails, and pip gets its turn."""
    make = [uv, "venv", "--quiet", "--no-project", "--clear", "--python", base, str(VENV)]
    fill = [uv, "pip", "sync", "--quiet", "--no-config", "--require-hashes", "--python", str(PYTHON), str(LOCK)]
    try:
        _call(make, 0)
        _call(fill, 0)
    except SetUpFailed as failure:
        if "disk is full" in str(failure):
            raise
        _say("uv could not do it; trying pip.")
        return False
    return True


def _call(argv: list[str], total: int) -> None:
    """Run a step, count its packages aloud, and turn its failure into a sentence."""
    env = dict(os.environ, PIP_USER="0", PYTHONUNBUFFERED="1")
    for name in ("PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"):
        env.pop(name, None)
    child = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, errors="replace"
    )
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seen, lines = 0, []
    try:
        assert child.stdout is not None
        for line in child.stdout:
            lines.append(line.strip())
            if total and line.startswith("Collecting "):
                seen += 1
                _progress(f"  package {min(seen, total)} of {total}")
            elif total and line.startswith("Installing collected"):
                _progress("  unpacking\n")
        code = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
        signal.signal(signal.SIGTERM, before)
    if code:
        raise SetUpFailed(_explain_output(argv, lines))


def _explain_output(argv: list[str], lines: list[str]) -> str:
    text = "\n".join(lines)
    if "No space left on device" in text or "Disk quota exceeded" in text or "os error 28" in text:
        return FULL_DISK.format(place=ROOT)
    if "Permission denied" in text or "Read-only file system" in text:
        return NO_WRITE.format(place=ROOT)
    if "ensurepip" in text:
        return NO_VENV
    last = next((line for line in reversed(lines) if line and not line.startswith("[notice]")), "no output")
    if "No matching distribution" in text or "ConnectionError" in text or "Max retries" in text:
        return (
            "The packages could not be downloaded: check the network (or the index that pip is set to), then run the "
            f"same command again. pip said: {last}"
        )
    return f"Setting up failed at “{' '.join(argv[:4])} …”: {last}"


def explain_os_error(error: OSError) -> str:
    """One sentence for the ways in which a file system refuses."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FULL_DISK.format(place=error.filename or ROOT)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NO_WRITE.format(place=error.filename or ROOT)
    return f"Setting up failed: {error}"


def _run_again() -> NoReturn:
    sys.stdout.flush()
    argv = [str(PYTHON), *sys.argv]
    if os.name == "nt":
        sys.exit(subprocess.call(argv))
    try:
        os.execv(argv[0], argv)
    except OSError as error:
        sys.exit(f"{VENV} does not work ({error.strerror}): delete it and run the same command again.")


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _progress(text: str) -> None:
    """A line that replaces itself on a terminal, and stays away from log files."""
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr, flush=True)
