"""Credentials: encrypted at rest, renewed after a change of keys, never shown, never taken from other variables."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import serializers

from core.intake import BadValue
from integrations.connections.editing import change, connect, disconnect
from integrations.connections.secrets import NoCredentials, credential_of, renew
from integrations.models import Connection
from tests.connections.standin import StandIn
from tests.connections.stripe_side import KEY

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(standin: StandIn) -> Connection:
    return connect(kind="stripe", name="Billing", credential=KEY)


def test_what_is_stored_does_not_tell_the_credential(made: Connection) -> None:
    stored = Connection.objects.get()
    assert KEY not in serializers.serialize("json", [stored]) and stored.secret_hint == KEY[-4:]
    assert credential_of(stored) == KEY
    assert connect(kind="stripe", name="Second", credential=KEY).secret != stored.secret


def test_a_former_key_still_reads_and_the_next_run_encrypts_anew(made: Connection, settings: Any) -> None:
    old, before = settings.SECRET_KEY, made.secret
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [old]
    assert credential_of(made) == KEY
    renew(made)
    stored = Connection.objects.get()
    assert stored.secret != before
    settings.SECRET_KEY_FALLBACKS = []
    assert credential_of(stored) == KEY
    settings.SECRET_KEY = "third" * 10
    with pytest.raises(NoCredentials, match="Enter it again"):
        credential_of(stored)


def test_a_variable_can_hold_it_but_not_any_variable(
    made: Connection, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CSBOX_SECRET_KEY", "PATH", "DATABASE_URL", "CSBOX_CONNECTION_", "CSBOX_CONNECTION_a"):
        with pytest.raises(BadValue, match="CSBOX_CONNECTION_"):
            change(made, variable=name)
    change(made, variable="CSBOX_CONNECTION_BILLING")
    assert made.error == "The environment variable CSBOX_CONNECTION_BILLING is not set where csbox runs."
    monkeypatch.setenv("CSBOX_CONNECTION_BILLING", KEY)
    change(made, variable="CSBOX_CONNECTION_BILLING")
    assert (made.error, made.secret) == ("", "")


def test_a_wrong_credential_is_kept_with_what_the_other_side_said(standin: StandIn) -> None:
    found = connect(kind="stripe", name="Billing", credential="sk_test_wrong")
    assert "refused the credential (401)" in found.error
    change(found, credential=KEY)
    assert not found.error and "name" in found.properties["customer"]


@pytest.mark.parametrize("credential", ["", "short", "two words here", "ümlautümlaut", "x" * 501])
def test_what_cannot_be_a_credential_is_refused(standin: StandIn, credential: str) -> None:
    with pytest.raises(BadValue):
        connect(kind="stripe", name="Billing", credential=credential)
    assert not Connection.objects.exists() and not standin.log


def test_disconnecting_leaves_no_credential_behind(made: Connection) -> None:
    disconnect(made)
    assert not Connection.objects.exists()


def test_requests_follow_no_redirect_with_the_credential(made: Connection, standin: StandIn) -> None:
    def elsewhere(handler: Any) -> bool:
        handler.reply(302, {}, Location=f"{standin.url}/v1/stolen")
        return True

    standin.log.clear()
    standin.faults = [elsewhere]
    change(made, credential=KEY)
    assert "did not accept a request (302)" in made.error and not standin.paths("/v1/stolen")
