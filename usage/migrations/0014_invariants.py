from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0013_trait_days"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="trait",
            constraint=models.CheckConstraint(
                condition=models.Q(("subject__in", ["account", "user"])), name="trait_subject_known"
            ),
        ),
    ]
