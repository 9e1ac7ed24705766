from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("segments", "0006_user_segments"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="pin",
            constraint=models.CheckConstraint(condition=models.Q(("kind__in", ["in", "out"])), name="pin_kind_known"),
        ),
        migrations.AddConstraint(
            model_name="segment",
            constraint=models.CheckConstraint(
                condition=models.Q(("subject__in", ["account", "user"])), name="segment_subject_known"
            ),
        ),
    ]
