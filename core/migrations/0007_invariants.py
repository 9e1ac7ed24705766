from django.db import migrations, models

import core.models

# What was typed into the settings before they were checked: "usd", " EUR", "€".
REPAIR = """
UPDATE core_workspace SET currency = CASE upper(trim(currency))
    WHEN '€' THEN 'EUR' WHEN '$' THEN 'USD' WHEN '£' THEN 'GBP' WHEN '¥' THEN 'JPY' ELSE upper(trim(currency)) END
WHERE currency !~ '^[A-Z]{3}$'
"""
REFUSE = """
DO $$ BEGIN IF EXISTS (SELECT FROM core_workspace WHERE currency !~ '^[A-Z]{3}$') THEN
    RAISE 'The currency of the workspace is no code such as USD or EUR.'
    USING HINT = 'Correct core_workspace.currency, and the same text in accounts_subscription and accounts_exchangerate.';
END IF; END $$
"""


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0006_work_days"),
    ]

    operations = [
        migrations.RunSQL([REPAIR, REFUSE], migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="workspace",
            name="currency",
            field=models.CharField(
                default="USD",
                help_text="ISO 4217 code; money is compared in it.",
                max_length=3,
                validators=[core.models.validate_currency],
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="workspace_currency_is_a_code"
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(("csm_reach__in", ["all", "own"])), name="workspace_reach_known"
            ),
        ),
    ]
