"""An account's money, licences, plan, renewal and trial, from its subscriptions: one statement for all accounts.

Policy, which follows Stripe's definition of MRR and CustomerSuccessBox's kinds of status:
* A subscription counts today if its status is of the kind Active, it has started and it has not ended. An end that
  passed counts as ended whatever the status says; the last day still counts.
* MRR and licences are the sums of those that count; a trial is a Future subscription and earns nothing yet. An account
  that has no subscription at all shows what was stated for it; one whose subscriptions all ended shows 0.
* The plan is that of the largest one that counts, the renewal the soonest from today on.
* The trial is the newest one known, past or present, of any subscription.
A subscription in a currency without a rate has no value in the workspace's currency and adds nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import connection, transaction

from core.clock import Moment
from core.ids import Ids
from core.intake import fold

# Each step is computed once, whatever statistics say: folded into the joins after a load that nobody has analysed yet,
# the sums were made anew for every account.
_ROLL_UP = """
WITH counted AS MATERIALIZED (
    SELECT s.account_id, s.id, s.plan, s.mrr_base, s.quantity, s.renews_on
    FROM accounts_subscription s JOIN accounts_subscriptionstatus k ON k.key = s.status
    WHERE k.kind = 'active' AND (s.starts_on IS NULL OR s.starts_on <= %(today)s)
      AND (s.ends_on IS NULL OR s.ends_on >= %(today)s) AND (%(all)s OR s.account_id = ANY(%(ids)s::bigint[]))
), sums AS MATERIALIZED (
    SELECT account_id, coalesce(sum(mrr_base), 0) AS mrr, sum(quantity) AS licences,
           min(renews_on) FILTER (WHERE renews_on >= %(today)s) AS renews_on,
           (array_agg(plan ORDER BY mrr_base DESC NULLS LAST, id) FILTER (WHERE plan <> ''))[1] AS plan
    FROM counted GROUP BY account_id
), any_sub AS MATERIALIZED (
    SELECT DISTINCT account_id FROM accounts_subscription WHERE %(all)s OR account_id = ANY(%(ids)s::bigint[])
), trials AS MATERIALIZED (
    SELECT DISTINCT ON (account_id) account_id, trial_starts_on, trial_ends_on
    FROM accounts_subscription
    WHERE (trial_starts_on IS NOT NULL OR trial_ends_on IS NOT NULL)
      AND (%(all)s OR account_id = ANY(%(ids)s::bigint[]))
    ORDER BY account_id, coalesce(trial_ends_on, trial_starts_on) DESC, id DESC
), wanted AS MATERIALIZED (
    SELECT a.id,
           CASE WHEN x.account_id IS NULL THEN a.stated_mrr ELSE coalesce(s.mrr, 0) END AS mrr,
           CASE WHEN x.account_id IS NULL THEN a.stated_licences
                ELSE least(coalesce(s.licences, 0), 2147483647)::int END AS licences,
           coalesce(s.plan, '') AS plan, s.renews_on, t.trial_starts_on, t.trial_ends_on
    FROM accounts_account a
    LEFT JOIN any_sub x ON x.account_id = a.id
    LEFT JOIN sums s ON s.account_id = a.id
    LEFT JOIN trials t ON t.account_id = a.id
    WHERE %(all)s OR a.id = ANY(%(ids)s::bigint[])
), changed AS MATERIALIZED (  -- locked in the order in which the facts' writers lock, so that nobody deadlocks
    SELECT w.* FROM wanted w JOIN accounts_account a ON a.id = w.id
    WHERE (a.mrr, a.licences, a.plan, a.renews_on, a.trial_starts_on, a.trial_ends_on)
        IS DISTINCT FROM (w.mrr, w.licences, w.plan, w.renews_on, w.trial_starts_on, w.trial_ends_on)
    ORDER BY a.external_id FOR NO KEY UPDATE OF a
)
UPDATE accounts_account a
SET mrr = w.mrr, licences = w.licences, plan = w.plan, renews_on = w.renews_on,
    trial_starts_on = w.trial_starts_on, trial_ends_on = w.trial_ends_on, updated_at = %(now)s
FROM changed w WHERE w.id = a.id
RETURNING a.id, a.plan, a.folded ->> 'plan'
"""
_FOLD = """
UPDATE accounts_account AS a
SET folded = CASE WHEN m.folded = '' THEN a.folded - 'plan' ELSE a.folded || jsonb_build_object('plan', m.folded) END
FROM unnest(%s::text[], %s::text[]) AS m (plan, folded)
WHERE a.plan = m.plan AND a.id IN (SELECT unnest(%s::bigint[]))
"""


@transaction.atomic
def roll_up_billing(moment: Moment, accounts: Collection[int] | None = None) -> set[int]:
    """Bring the accounts' billing columns up to date and return the primary keys of those that changed.

    `accounts` narrows it to some primary keys. Accounts that did not change are not written.
    """
    values: dict[str, Any] = {
        "today": moment.today,
        "now": moment.now,
        "all": accounts is None,
        "ids": Ids.of(accounts or ()).array,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ROLL_UP, values)
        rows = cursor.fetchall()
    _fold_plans({pk: plan for pk, plan, folded in rows if fold(plan) != (folded or "")})
    return {row[0] for row in rows}


def _fold_plans(plans: dict[int, str]) -> None:
    """The statement above cannot fold, so the few different plans of the accounts that changed are folded here."""
    texts = sorted(set(plans.values()))
    if texts:
        with connection.cursor() as cursor:
            cursor.execute(_FOLD, [texts, [fold(text) for text in texts], sorted(plans)])
