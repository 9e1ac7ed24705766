"""What counts and moves of health are made of, in an index beside the wide rows.

Made while the table is in use: an index of the large companies takes seconds, in which nothing could be scored.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("health", "0009_mrr_of_mixes")]

    operations = [
        AddIndexConcurrently(
            "accounthealth",
            models.Index(
                fields=["account"],
                include=["config", "band", "band_since", "score", "score_7d", "score_30d", "score_90d"],
                name="health_in_figures",
            ),
        ),
    ]
