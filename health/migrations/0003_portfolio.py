from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("health", "0002_backtest")]

    operations = [
        migrations.CreateModel(
            name="ScoringRequest",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"ordering": ("id",)},
        ),
        # Overrides are what people wrote by hand: few enough for the index to be built at once.
        migrations.AddIndex(
            model_name="healthoverride",
            index=models.Index(fields=["account", "-id"], name="overrides_of_account"),
        ),
    ]
