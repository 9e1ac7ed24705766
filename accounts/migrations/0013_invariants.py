from django.db import migrations, models

# Who came back has no churn date: the one from before the present start is taken away, and the history says so.
CAME_BACK = """
WITH back AS (
    SELECT id, churned_on FROM accounts_account WHERE churned_on < customer_since
), cleared AS (
    UPDATE accounts_account a SET churned_on = NULL FROM back WHERE back.id = a.id RETURNING a.id
)
INSERT INTO accounts_attributechange (subject, object_id, key, old, new, at, source, recorded_at)
SELECT 'account', back.id, 'churned_on', to_jsonb(back.churned_on::text), NULL, now(), 'csbox', now()
FROM back JOIN cleared USING (id)
"""
# The workspace's own currency, as it was typed before it was checked, went to the rates and the subscriptions.
CODE = """CASE upper(trim(currency))
    WHEN '€' THEN 'EUR' WHEN '$' THEN 'USD' WHEN '£' THEN 'GBP' WHEN '¥' THEN 'JPY' ELSE upper(trim(currency)) END"""
REPAIR = [
    f"UPDATE accounts_subscription SET currency = {CODE} WHERE currency !~ '^[A-Z]{{3}}$'",  # noqa: S608  # of this module
    f"""INSERT INTO accounts_exchangerate (currency, rate, updated_at)
        SELECT DISTINCT ON (1) {CODE}, rate, updated_at FROM accounts_exchangerate WHERE currency !~ '^[A-Z]{{3}}$'
        ON CONFLICT DO NOTHING""",  # noqa: S608  # of this module
    "DELETE FROM accounts_exchangerate WHERE currency !~ '^[A-Z]{3}$'",
]


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0012_mentions"),
        ("core", "0007_invariants"),
    ]

    operations = [
        migrations.RunSQL([CAME_BACK, *REPAIR], migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("churned_on__isnull", True),
                    ("customer_since__isnull", True),
                    ("churned_on__gte", models.F("customer_since")),
                    _connector="OR",
                ),
                name="account_churned_after_it_came",
                violation_error_message="An account cannot have churned before it became a customer. If it came back, clear the churn date.",
            ),
        ),
        migrations.AddConstraint(
            model_name="attributechange",
            constraint=models.CheckConstraint(
                condition=models.Q(("subject__in", ["account", "user", "relationship", "subscription"])),
                name="attribute_change_subject_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="attributedefinition",
            constraint=models.CheckConstraint(
                condition=models.Q(("subject__in", ["account", "user", "relationship", "subscription"])),
                name="attribute_subject_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="attributedefinition",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        ["text", "number", "money", "percent", "boolean", "date", "datetime", "choice", "list", "link"],
                    )
                ),
                name="attribute_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="dataexport",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["user", "account"])), name="export_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="erasure",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["user", "account"])), name="erasure_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="exchangerate",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="exchange_rate_currency_is_a_code"
            ),
        ),
        migrations.AddConstraint(
            model_name="lifecyclestage",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["trial", "onboarding", "live", "cancelled"])), name="stage_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="note",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["note", "call", "meeting", "email"])), name="note_kind_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("currency__regex", "^[A-Z]{3}$")), name="subscription_currency_is_a_code"
            ),
        ),
        migrations.AddConstraint(
            model_name="subscription",
            constraint=models.CheckConstraint(
                condition=models.Q(("billing_period__in", ["", "monthly", "quarterly", "yearly", "other"])),
                name="subscription_billing_period_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="subscriptionstatus",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["active", "cancelled", "future", "suspended"])),
                name="subscription_status_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="teammember",
            constraint=models.CheckConstraint(
                condition=models.Q(("access__in", ["admin", "manager", "csm", "viewer"])), name="member_access_known"
            ),
        ),
    ]
