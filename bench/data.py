"""A company of any size, made by set-based SQL from a seed.

All texts are ASCII, so their folds are their lower-case forms and SQL can write them. Values are spread by a hash of
the row's number and the seed, so that conditions are independent of each other and a run can be repeated.
"""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.db import connection

from accounts.models import AssignmentRole, AttributeDefinition, Team, TeamMember

INDUSTRIES = ("Software", "Retail", "Health", "Finance", "Education", "Travel", "Energy", "Media")
COUNTRIES = ("Norway", "Germany", "India", "Brazil", "Japan", "Canada", "Kenya", "Spain", "Chile", "")
PLANS = ("Starter", "Team", "Pro", "Enterprise")
TITLES = ("Engineer", "Admin", "Analyst", "Director", "Designer", "IT Admin")
REGIONS = ("EMEA", "AMER", "APAC", "LATAM")
TAGS = ("beta", "reference", "at risk", "gov", "partner")
MEMBERS = 40

_DRAW = """
CREATE FUNCTION draw(n bigint, salt text, below bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT abs(hashtextextended(salt, n + {seed})) % below $$;
CREATE FUNCTION pick(n bigint, salt text, among text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT among[1 + draw(n, salt, array_length(among, 1))] $$;
"""
_ACCOUNTS = """
INSERT INTO accounts_account (attributes, folded, stamps, created_at, updated_at, external_id, name, name_folded, domain,
    search_text, industry, country, customer_since, churn_reason, mrr, licences, plan, renews_on, stage, level, status)
SELECT jsonb_strip_nulls(jsonb_build_object(
        'region', CASE WHEN draw(n, 'r?', 10) > 0 THEN region END,
        'seats', CASE WHEN draw(n, 's?', 10) > 1 THEN draw(n, 'seats', 500) END,
        'nps', CASE WHEN draw(n, 'n?', 10) > 3 THEN draw(n, 'nps', 1000) / 10.0 END,
        'pilot', draw(n, 'pilot', 20) = 0,
        'go_live', today - draw(n, 'live', 900)::int,
        'budget', jsonb_build_object('amount', draw(n, 'budget', 90000), 'currency', 'USD'),
        'tags', jsonb_build_array(tag_a, tag_b))),
    jsonb_strip_nulls(jsonb_build_object('external_id', 'acc-' || n, 'name', lower(name), 'industry', lower(industry),
        'country', nullif(lower(country), ''), 'domain', 'acc' || n || '.example', 'plan', lower(plan),
        'custom.region', CASE WHEN draw(n, 'r?', 10) > 0 THEN lower(region) END,
        'custom.tags', jsonb_build_array(tag_a, tag_b))),
    '{{}}', now() - draw(n, 'made', 900) * interval '1 day', now(), 'acc-' || n, name, lower(name), 'acc' || n || '.example',
    concat_ws(chr(31), lower(name), 'acc' || n || '.example', 'acc-' || n), industry, country, today - draw(n, 'since', 1500)::int, '',
    CASE WHEN draw(n, 'm?', 20) > 0 THEN draw(n, 'mrr', 2000000) / 100.0 END, 1 + draw(n, 'licences', 400)::int, plan,
    CASE WHEN draw(n, 'rn?', 10) > 0 THEN today + draw(n, 'renews', 420)::int - 30 END,
    pick(n, 'stage', '{{trial,onboarding,live,live,live,live,cancelled}}'),
    pick(n, 'level', '{{strategic,qualified,target,target,at-risk}}'),
    pick(n, 'status', '{{prospect,customer,customer,customer,partner,former}}')
FROM (SELECT n, current_date AS today, pick(n, 'industry', %(industries)s) AS industry,
        pick(n, 'country', %(countries)s) AS country, pick(n, 'plan', %(plans)s) AS plan,
        pick(n, 'region', %(regions)s) AS region, pick(n, 'tag a', %(tags)s) AS tag_a, pick(n, 'tag b', %(tags)s) AS tag_b,
        initcap(substr(md5((n + {seed})::text), 1, 6)) || ' ' || pick(n, 'kind', '{{Labs,Group,Works,Systems,Trading}}') AS name
      FROM generate_series(1, %(accounts)s::bigint) AS n) AS made
"""
_USERS = """
INSERT INTO accounts_enduser (attributes, folded, stamps, created_at, updated_at, external_id, name, name_folded, email, title)
SELECT '{{}}', jsonb_build_object('external_id', 'usr-' || n, 'name', 'user ' || n, 'email', lower(email), 'title', lower(title)),
    '{{}}', now(), now(), 'usr-' || n, 'User ' || n, 'user ' || n, email, title
FROM (SELECT n, 'user' || n || pick(n, 'mail', '{{@mail.com,@work.com,@team.org}}') AS email, pick(n, 'title', %(titles)s) AS title
      FROM generate_series(1, %(accounts)s::bigint * 3) AS n) AS made
"""
_RELATIONSHIPS = """
INSERT INTO accounts_relationship (attributes, folded, stamps, created_at, updated_at, role, started_at, ended_at, account_id, user_id)
SELECT '{{}}', jsonb_build_object('role', lower(role)), '{{}}', now(), now(), role, now() - interval '800 days',
    CASE WHEN draw(u.id, 'ended', 12) = 0 THEN now() - interval '20 days' END, 1 + draw(u.id, 'at' || nth, %(accounts)s), u.id
FROM accounts_enduser AS u, generate_series(1, 2) AS nth,
    LATERAL (SELECT pick(u.id, 'role' || nth, '{{Champion,User,User,User,Buyer,Sponsor}}') AS role) AS r
WHERE nth = 1 OR (draw(u.id, 'second', 10) = 0 AND draw(u.id, 'at1', %(accounts)s) <> draw(u.id, 'at2', %(accounts)s))
"""
_SUBSCRIPTIONS = """
INSERT INTO accounts_subscription (attributes, folded, stamps, created_at, updated_at, external_id, plan, mrr, currency,
    mrr_base, quantity, billing_period, starts_on, renews_on, auto_renew, account_id, status)
SELECT '{{}}', jsonb_build_object('external_id', 'sub-' || n, 'plan', lower(plan)), '{{}}', now(), now(), 'sub-' || n, plan, mrr,
    'USD', mrr, 1 + draw(n, 'quantity', 300)::int, pick(n, 'period', '{{monthly,quarterly,yearly}}'),
    current_date - draw(n, 'starts', 900)::int, current_date + draw(n, 'sub renews', 380)::int - 15, draw(n, 'auto', 3) > 0,
    CASE WHEN n <= %(accounts)s THEN n ELSE 1 + draw(n, 'owner', %(accounts)s) END,
    pick(n, 'sub status', '{{active,active,active,active,trial,cancelled,suspended}}')
FROM (SELECT n, pick(n, 'sub plan', %(plans)s) AS plan, draw(n, 'sub mrr', 1000000) / 100.0 AS mrr
      FROM generate_series(1, %(accounts)s::bigint * 6 / 5) AS n) AS made
"""
_ACTIVITY = """
INSERT INTO usage_useractivity (account_id, user_id, first_seen_at, last_seen_at)
SELECT account_id, user_id, now() - interval '700 days', now() - draw(id, 'seen', 86400 * 120) * interval '1 second'
FROM accounts_relationship WHERE draw(id, 'active', 5) > 0
"""
_USAGE = """
INSERT INTO usage_accountusage (account_id, active_users_7d, active_users_30d, active_users_90d, events_30d, active_days_30d,
    first_seen_at, last_seen_at)
SELECT id, draw(id, '7', 60), draw(id, '30', 120), draw(id, '90', 200), draw(id, 'events', 5000), draw(id, 'days', 31),
    now() - interval '700 days', now() - draw(id, 'last', 86400 * 120) * interval '1 second'
FROM accounts_account WHERE draw(id, 'silent', 10) > 0
"""
_ASSIGNMENTS = """
INSERT INTO accounts_assignment (account_id, member_id, role, started_at, ended_at)
SELECT a.id, m.ids[1 + draw(a.id, 'csm', array_length(m.ids, 1))], 'csm', now() - interval '300 days', NULL
FROM accounts_account AS a, (SELECT array_agg(id ORDER BY id) AS ids FROM accounts_teammember) AS m
WHERE draw(a.id, 'assigned', 8) > 0
"""
# One account in a hundred changes: what it pays, what it does, where its custom values stand.
CHANGE = """
UPDATE accounts_account SET mrr = draw(id, 'mrr' || %(round)s, 2000000) / 100.0, licences = 1 + draw(id, 'l' || %(round)s, 400)::int,
    attributes = attributes || jsonb_build_object('seats', draw(id, 'seats' || %(round)s, 500))
WHERE draw(id, 'changes' || %(round)s, 100) = 0;
UPDATE usage_accountusage SET active_users_30d = draw(account_id, '30' || %(round)s, 120), events_30d = draw(account_id, 'e' || %(round)s, 5000),
    last_seen_at = now() WHERE draw(account_id, 'changes' || %(round)s, 100) = 0;
UPDATE accounts_subscription SET status = pick(id, 's' || %(round)s, '{active,cancelled,suspended}')
WHERE draw(account_id, 'changes' || %(round)s, 100) = 0;
"""


def fill(accounts: int, seed: int) -> dict[str, int]:
    """Make the company; the number of rows of each table."""
    people()
    values = {
        "accounts": accounts,
        "industries": list(INDUSTRIES),
        "countries": list(COUNTRIES),
        "plans": list(PLANS),
        "regions": list(REGIONS),
        "tags": list(TAGS),
        "titles": list(TITLES),
    }
    with connection.cursor() as cursor:
        cursor.execute(_DRAW.format(seed=int(seed)))
        for statement in (_ACCOUNTS, _USERS, _RELATIONSHIPS, _SUBSCRIPTIONS, _ACTIVITY, _USAGE, _ASSIGNMENTS):
            cursor.execute(statement.format(seed=int(seed)), values)
        cursor.execute(
            "INSERT INTO accounts_exchangerate (currency, rate, updated_at) VALUES ('USD', 1, now()) ON CONFLICT DO NOTHING"
        )
        cursor.execute("VACUUM ANALYZE")
        tables = ("account", "enduser", "relationship", "subscription", "assignment")
        found = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM accounts_{table}")
            found[table] = cursor.fetchone()[0]
    return found


def people() -> None:
    """Colleagues with their log-ins, and the custom attributes that rules name."""
    team = Team.objects.create(name="North")
    AssignmentRole.objects.get_or_create(key="csm", defaults={"name": "CSM"})
    for number in range(1, MEMBERS + 1):
        login = get_user_model().objects.create(username=f"person-{number}")
        TeamMember.objects.create(user=login, key=f"person-{number}", name=f"Person {number}", team=team)
    kinds = {
        "region": "text",
        "seats": "number",
        "nps": "percent",
        "pilot": "boolean",
        "go_live": "date",
        "budget": "money",
        "tags": "list",
    }
    for key, kind in kinds.items():
        AttributeDefinition.objects.create(
            subject="account", key=key, name=key.replace("_", " ").capitalize(), kind=kind
        )


def change(number: int) -> None:
    """Let one account in a hundred change."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGE, {"round": f" {number}"})
