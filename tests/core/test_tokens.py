"""Tokens of the API: kept by their digest, shown once, and those of before go on working."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core import serializers
from django.db import connection
from django.test import Client
from django.urls import reverse

from core.api.tokens import find_token, make_token
from core.models import ApiToken
from tests import factories

pytestmark = pytest.mark.django_db
PLAIN = "401f7ac837da42b97f613d789819ff93537bee6a"


def asked(token: str) -> int:
    """The status of a question with this token."""
    return Client(headers={"authorization": f"Token {token}"}).get("/api/v1/me/").status_code


def test_only_a_digest_is_kept() -> None:
    user = factories.member("manager").user
    made, token = make_token(user, "Nightly export")
    assert token not in serializers.serialize("json", [made]) and made.hint == token[-4:]
    assert asked(token) == 200 and asked(made.digest) == 401 and asked(token[:-1]) == 401
    assert Client(headers={"authorization": f"Bearer {token}"}).get("/api/v1/me/").status_code == 200
    second = make_token(user)[1]
    made.delete()
    assert asked(token) == 401 and asked(second) == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert asked(second) == 401


def test_tokens_of_before_go_on_working_and_their_plain_text_goes() -> None:
    user = factories.member("manager").user
    migration: Any = importlib.import_module("core.migrations.0005_intake")
    with connection.schema_editor() as editor:
        migration.hash_tokens(apps, editor)  # a new installation has no such table
        assert not ApiToken.objects.exists()
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE authtoken_token (key varchar(40) PRIMARY KEY, created timestamptz, user_id integer)"
            )
            cursor.execute("INSERT INTO authtoken_token VALUES (%s, '2026-01-02 03:04Z', %s)", [PLAIN, user.pk])
        migration.hash_tokens(apps, editor)
        migration.hash_tokens(apps, editor)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM authtoken_token")
            assert cursor.fetchone() == (0,)
    found = ApiToken.objects.get()
    assert (found.hint, found.user, found.created_at.isoformat()) == ("ee6a", user, "2026-01-02T03:04:00+00:00")
    assert asked(PLAIN) == 200 and PLAIN not in serializers.serialize("json", [found])


def test_the_back_office_shows_a_new_one_once(admin_client: Client) -> None:
    user = factories.member("csm").user
    page = admin_client.post(reverse("admin:core_apitoken_add"), {"user": user.pk, "name": "Export"}, follow=True)
    made = ApiToken.objects.get()
    token = next(word for word in page.content.decode().split() if word.startswith("tok_")).rstrip(".")
    found = find_token(token)
    assert found == made and made.user == user
    again = admin_client.get(reverse("admin:core_apitoken_changelist")).content.decode()
    assert token not in again and made.hint in again
    admin_client.post(reverse("admin:core_apitoken_delete", args=[made.pk]), {"post": "yes"})
    assert not ApiToken.objects.exists()
