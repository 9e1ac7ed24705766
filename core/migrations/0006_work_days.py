from django.db import migrations, models

import core.models


class Migration(migrations.Migration):
    dependencies = [("core", "0005_intake")]

    operations = [
        migrations.AddField(
            model_name="workspace",
            name="work_days",
            field=models.CharField(
                db_default="MO,TU,WE,TH,FR",
                default="MO,TU,WE,TH,FR",
                help_text="The days on which people work, as in MO,TU,WE,TH,FR. “In 3 working days” counts these.",
                max_length=20,
                validators=[core.models.validate_work_days],
            ),
        ),
    ]
