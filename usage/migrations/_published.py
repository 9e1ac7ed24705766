"""The views that SQL traits may read, in a schema of their own: live accounts and what belongs to them."""

from __future__ import annotations

ACCOUNTS = """
CREATE SCHEMA IF NOT EXISTS published;
CREATE VIEW published.accounts AS
    SELECT id, external_id, name, domain, industry, country, stage, level, status, plan, mrr, licences, renews_on,
           trial_ends_on, customer_since, churned_on, churn_reason, attributes
    FROM public.accounts_account WHERE archived_at IS NULL;
CREATE VIEW published.relationships AS
    SELECT r.account_id, r.user_id, r.role, r.started_at
    FROM public.accounts_relationship r JOIN public.accounts_account a ON a.id = r.account_id
    WHERE r.ended_at IS NULL AND a.archived_at IS NULL;
CREATE VIEW published.users AS
    SELECT id, external_id, name, email, title, first_seen_at, attributes FROM public.accounts_enduser;
CREATE VIEW published.subscriptions AS
    SELECT s.id, s.external_id, s.account_id, s.plan, s.status, s.mrr_base AS mrr, s.quantity, s.billing_period,
           s.starts_on, s.ends_on, s.renews_on, s.auto_renew, s.attributes
    FROM public.accounts_subscription s JOIN public.accounts_account a ON a.id = s.account_id
    WHERE a.archived_at IS NULL;
"""
USAGE = """
CREATE OR REPLACE VIEW published.events AS
    SELECT e.account_id, e.user_id, n.name, e.at, e.properties, e.active
    FROM public.usage_event e JOIN public.usage_eventname n ON n.id = e.name_id
        JOIN public.accounts_account a ON a.id = e.account_id WHERE a.archived_at IS NULL;
CREATE OR REPLACE VIEW published.daily_usage AS
    SELECT d.account_id, d.user_id, n.name, d.day, d.count, d.absent
    FROM public.usage_dailyusage d JOIN public.usage_eventname n ON n.id = d.name_id
        JOIN public.accounts_account a ON a.id = d.account_id WHERE a.archived_at IS NULL;
"""
NO_VIEWS = "DROP SCHEMA published CASCADE"
