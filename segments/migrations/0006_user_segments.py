"""Segments of users: pins of users, and stays that say which pin opened or closed them.

Pins and stays of users are few or none when this runs, so indexes and checks are made in a moment.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_users_in_accounts"),
        ("segments", "0005_accounts_of_a_run"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="pin",
            name="user",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="pins",
                to="accounts.enduser",
            ),
        ),
        migrations.AddField(
            model_name="usermembership",
            name="closed_pin",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="segments.pin",
            ),
        ),
        migrations.AddField(
            model_name="usermembership",
            name="opened_pin",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="segments.pin",
            ),
        ),
        migrations.AlterField(
            model_name="pin",
            name="account",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="pins",
                to="accounts.account",
            ),
        ),
        migrations.AddIndex(
            model_name="pin",
            index=models.Index(fields=["user", "segment"], name="pins_of_user"),
        ),
        migrations.AddIndex(
            model_name="usermembership",
            index=models.Index(
                condition=models.Q(("left_at__isnull", False)), fields=["segment", "left_at"], name="user_left_segment"
            ),
        ),
        migrations.AddIndex(
            model_name="usermembership",
            index=models.Index(fields=["segment", "entered_at"], name="user_entered_segment"),
        ),
        migrations.AddConstraint(
            model_name="pin",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)), fields=("segment", "user"), name="one_open_pin_of_user"
            ),
        ),
        migrations.AddConstraint(
            model_name="pin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("account__isnull", False), ("user__isnull", True)),
                    models.Q(("account__isnull", True), ("user__isnull", False)),
                    _connector="OR",
                ),
                name="pin_has_one_member",
            ),
        ),
    ]
