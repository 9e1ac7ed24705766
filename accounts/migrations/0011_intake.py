"""An erasure knows whose other id it keeps out, so that lifting one lifts those too."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_folded_names")]
    operations = [
        migrations.AddField(
            "erasure", "other_of",
            models.ForeignKey(
                help_text="Of whom it is another id.", null=True, on_delete=django.db.models.deletion.SET_NULL,
                related_name="others", to="accounts.erasure",
            ),
        ),
    ]  # fmt: skip
