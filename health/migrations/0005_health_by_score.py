from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # built without holding up the scoring, however many accounts there are

    dependencies = [("health", "0004_health_mix")]

    operations = [
        # The first pages of a list in the order of the score.
        AddIndexConcurrently(
            model_name="accounthealth",
            index=models.Index(condition=models.Q(("score__isnull", False)), fields=["score"], name="health_by_score"),
        ),
    ]
