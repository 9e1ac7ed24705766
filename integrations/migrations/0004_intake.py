from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    """What is needed to try messages that were set aside again, and to tell a repeated id from a repeated message.

    The columns are added without a rewrite. The index locks a table that holds a hundred thousand rows at most.
    """

    dependencies = [("integrations", "0003_imports")]
    operations = [
        migrations.AddField("message", "said", models.TextField(blank=True, db_default="", default="", editable=False)),
        migrations.AddField("scheduledimport", "secret", models.TextField(blank=True, db_default="", default="", editable=False)),
        migrations.AddField(
            "scheduledimport", "secret_hint",
            models.CharField(blank=True, db_default="", default="", editable=False, max_length=12),
        ),
        migrations.AddIndex("message", HashIndex(fields=["message_id"], name="message_of_id")),
    ]  # fmt: skip
