"""Sends a little with the unmodified clients of PostHog and Userlist: `dialects.py posthog|userlist URL KEY`."""

from __future__ import annotations

import sys

which, url, key = sys.argv[1:4]

if which == "posthog":
    from posthog import Posthog

    client = Posthog(key, host=url, gzip=True)
    client.group_identify("company", "a1", {"name": "Acme"})
    client.set(distinct_id="u1", properties={"title": "CFO"})
    for _ in range(30):
        client.capture("Report Exported", distinct_id="u1", properties={"pages": 3}, groups={"company": "a1"})
    client.alias("visitor-1", "u1")
    client.shutdown()
else:
    from userlist import Push

    push = Push(push_key=key, push_endpoint=f"{url}/userlist")
    push.users.create({"identifier": "u1", "email": "u1@example.com", "properties": {"title": "CFO"}})
    push.companies.create({"identifier": "a1", "name": "Acme"})
    push.relationships.create({"user": "u1", "company": "a1", "properties": {"role": "owner"}})
    push.events.create({"name": "Report Exported", "user": "u1", "company": "a1", "properties": {"pages": 3}})
    push.relationships.create({"user": "u2", "company": "a1"})
    push.relationships.delete({"user": "u2", "company": "a1"})
