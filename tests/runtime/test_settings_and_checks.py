"""Environment variables are read strictly, dangerous settings are refused, and failures are put into plain words."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import load_command_class
from django.db import DataError, OperationalError

from core import checks
from core.failures import PlainError, plain_words
from csbox import environment

ROOT = Path(__file__).resolve().parent.parent.parent


def test_flags_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, meant in {"1": True, "Yes": True, "on": True, "0": False, "false": False, "": False, " ": False}.items():
        monkeypatch.setenv("CSBOX_X", value)
        assert environment.flag("CSBOX_X") is meant
    monkeypatch.setenv("CSBOX_X", "maybe")
    with pytest.raises(ImproperlyConfigured, match="CSBOX_X must be 1 or 0"):
        environment.flag("CSBOX_X")
    for bad in ("-1", "1.5", "ten", "٣"):
        monkeypatch.setenv("CSBOX_X", bad)
        with pytest.raises(ImproperlyConfigured, match="CSBOX_X must be a whole number"):
            environment.number("CSBOX_X", 1)
    monkeypatch.setenv("CSBOX_X", " a, b ,,c")
    assert environment.items("CSBOX_X") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://ann:p%40ss@db.example.com:6543/main?sslmode=require&connect_timeout=3",
            ("main", "ann", "p@ss", "db.example.com", "6543", {"sslmode": "require", "connect_timeout": "3"}),
        ),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/x", ("x", "", "", "/var/run/postgresql", "", {})),
        ("host=a dbname=b user=c", ("b", "c", "", "a", "", {})),
        ("postgres://localhost", ("csbox", "", "", "localhost", "", {})),
    ],
)
def test_addresses_of_databases(url: str, expected: tuple[Any, ...]) -> None:
    found = environment.database_from_url(url)
    assert tuple(found[k] for k in ("NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")) == expected


def test_an_address_that_cannot_be_read() -> None:
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL cannot be read"):
        environment.database_from_url("mysql://localhost/x")


def _secret(path: Path, mine: str, results: Any) -> None:
    results.put(environment.secret_file(path, lambda: mine))


def test_racing_processes_end_with_one_secret(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    path = tmp_path / "new" / "secret"
    racers = [context.Process(target=_secret, args=(path, f"s{n}", results)) for n in range(8)]
    for racer in racers:
        racer.start()
    found = {results.get(timeout=20) for _ in racers}
    assert len(found) == 1 and path.read_text() in found
    assert oct(path.stat().st_mode)[-3:] == "600"
    assert [p.name for p in path.parent.iterdir()] == ["secret"]


def problems(settings: Any) -> set[str]:
    """The ids of our own complaints."""
    return {str(m.id) for m in run_checks() if str(m.id).startswith("csbox.")}


def test_the_settings_we_ship_pass(settings: Any) -> None:
    assert problems(settings) == set()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"retry": 900}, "csbox.E002"),
        ({"queue_limit": 8}, "csbox.E002"),
        ({"catch_up": True}, "csbox.E003"),
        ({"save_limit": 250}, "csbox.E003"),
        ({"timeout": 200}, "csbox.E004"),
    ],
)
def test_queue_settings_that_repeat_work_are_refused(settings: Any, change: dict[str, Any], problem: str) -> None:
    settings.Q_CLUSTER = settings.Q_CLUSTER | change
    assert problem in problems(settings)


def test_the_smallest_retry_is_that_of_the_defect_register() -> None:
    assert checks.smallest_retry(timeout=300, workers=2, queue_limit=2) == 930
    assert checks.smallest_retry(timeout=5, workers=1, queue_limit=4) == 60


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
def test_a_connection_pool_is_refused(settings: Any) -> None:
    database = settings.DATABASES["default"]
    settings.DATABASES = {"default": database | {"OPTIONS": database["OPTIONS"] | {"pool": True}}}
    assert "csbox.E005" in problems(settings)


@pytest.mark.django_db
def test_an_old_server_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(checks.server_version(None, databases=["default"])) == []
    monkeypatch.setattr(checks, "MINIMUM", 990_000)
    assert [m.id for m in checks.server_version(None, databases=["default"])] == ["csbox.E007"]


def test_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "disk is full" in str(plain_words(OSError(errno.ENOSPC, "No space left on device", "/x/y")))
    assert "/x/y" in str(plain_words(OSError(errno.EACCES, "Permission denied", "/x/y")))
    assert plain_words(PlainError("Do this.")) == "Do this."
    full = DataError("could not extend file: No space left on device")
    assert "disk is full" in str(plain_words(full))
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = full
    assert "disk is full" in str(plain_words(wrapped))
    assert plain_words(ValueError("a defect")) is None
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert plain_words(OperationalError("refused")) is None
    monkeypatch.setenv("DATABASE_URL", "postgresql://x")
    assert "DATABASE_URL names does not answer (refused)" in str(plain_words(OperationalError("refused\nmore")))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, {"csbox.I001"}),
        ({"EMAIL_HOST": "mail.example.com", "DEFAULT_FROM_EMAIL": "csbox <csbox@example.com>"}, set()),
        ({"EMAIL_HOST": "mail.example.com", "DEFAULT_FROM_EMAIL": "csbox@localhost"}, {"csbox.W001"}),
        ({"EMAIL_HOST": "mail.example.com", "DEFAULT_FROM_EMAIL": "csbox"}, {"csbox.W001"}),
        ({"EMAIL_HOST": "m", "DEFAULT_FROM_EMAIL": "a@b.example", "EMAIL_HOST_USER": "u"}, {"csbox.W002"}),
        (
            {"EMAIL_HOST": "m", "DEFAULT_FROM_EMAIL": "a@b.example", "EMAIL_HOST_USER": "u",
             "EMAIL_HOST_PASSWORD": "p", "EMAIL_SECURITY": "none"},
            {"csbox.W003"},
        ),
        ({"EMAIL_SECURITY": "ssl"}, {"csbox.E008", "csbox.I001"}),
    ],
)  # fmt: skip
def test_what_keeps_mail_from_being_sent_is_told_before_deployment(
    settings: Any, values: dict[str, str], told: set[str]
) -> None:
    for name, value in values.items():
        setattr(settings, name, value)
    assert {str(found.id) for found in checks.mail_settings(None)} == told


def test_mail_settings_are_read_from_the_environment(tmp_path: Path) -> None:
    code = "from django.conf import settings as s; print(s.EMAIL_HOST, s.EMAIL_PORT, s.EMAIL_USE_TLS, s.EMAIL_USE_SSL)"
    env = os.environ | {"CSBOX_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "csbox.settings"}

    def read(**given: str) -> str:
        done = subprocess.run([sys.executable, "-c", code], env=env | given, capture_output=True, text=True, cwd=ROOT)
        return done.stdout.strip()

    assert read(CSBOX_EMAIL_HOST="m.example") == "m.example 587 True False"
    assert read(CSBOX_EMAIL_HOST="m.example", CSBOX_EMAIL_TLS="tls") == "m.example 465 False True"
    assert read(CSBOX_EMAIL_HOST="localhost", CSBOX_EMAIL_TLS="none") == "localhost 25 False False"
    assert read(CSBOX_EMAIL_HOST="m.example", CSBOX_EMAIL_PORT="2525") == "m.example 2525 True False"


def test_the_port_comes_from_the_environment_and_the_option_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("demo", "run"):
        command = load_command_class("csbox", name)
        monkeypatch.delenv("CSBOX_PORT", raising=False)
        assert command.create_parser("manage.py", name).parse_args([]).port == 8000
        monkeypatch.setenv("CSBOX_PORT", "8123")
        assert command.create_parser("manage.py", name).parse_args([]).port == 8123
        assert command.create_parser("manage.py", name).parse_args(["--port", "8124"]).port == 8124
