"""Tokens of the API are kept by their digest. Those that exist go on working; their plain text goes."""

from __future__ import annotations

import hashlib
from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def hash_tokens(apps: Any, editor: Any) -> None:
    """Move the tokens of rest_framework.authtoken, if there are any, and empty its table."""
    if "authtoken_token" not in editor.connection.introspection.table_names():
        return
    token: Any = apps.get_model("core", "ApiToken")
    with editor.connection.cursor() as cursor:
        cursor.execute("DELETE FROM authtoken_token RETURNING key, user_id, created")
        rows = cursor.fetchall()
    for key, user, created in rows:
        made = token.objects.create(user_id=user, digest=hashlib.sha256(key.encode()).hexdigest(), hint=key[-4:])
        token.objects.filter(pk=made.pk).update(created_at=created)


class Migration(migrations.Migration):
    dependencies = [("core", "0004_wake_ups"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        blank=True, help_text="What uses it, for example “Nightly export”.", max_length=60
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        editable=False, help_text="SHA-256 of the token, in hex.", max_length=64, unique=True
                    ),
                ),
                (
                    "hint",
                    models.CharField(editable=False, help_text="The last four characters of the token.", max_length=4),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"verbose_name": "API token", "ordering": ("-created_at", "-id")},
        ),
        # Nothing brings the plain text back: after going back, new tokens have to be made.
        migrations.RunPython(hash_tokens, migrations.RunPython.noop),
    ]
