"""Sends one message of each kind with an unmodified client: `one_of_each.py segment|rudder|posthog|userlist URL K`."""

from __future__ import annotations

import datetime as dt
import sys

which, url, key = sys.argv[1:4]
HERE = {"groupId": "a1"}
ROLE = {"All": True, "Userlist": {"extensions": {"relationship": {"properties": {"role": "owner"}}}}}
WHEN = dt.datetime(2026, 5, 1, 10, 30, tzinfo=dt.UTC)

if which in ("segment", "rudder"):
    if which == "segment":
        from segment.analytics import Client
    else:
        from rudderstack.analytics import Client
    client = Client(key, host=url, upload_interval=0.1)
    client.identify("u1", {"email": "u1@example.com", "title": "CFO", "company": {"id": "a2", "name": "Beta"}})
    client.group("u1", "a1", {"name": "Acme", "seats": 12, "createdAt": WHEN, "odd": "x\x00y"}, integrations=ROLE)
    client.group("u1", 7, {"name": "Seven"})
    client.track("u1", "Report Exported", {"pages": 3, "note": "é😀", "half": float("nan")}, context=HERE)
    client.track("u1", "Trial Started", {"trial_plan_name": "pro"}, context=HERE, timestamp=WHEN)
    client.page("u1", "Docs", "Setup", {"path": "/docs"}, context=HERE)
    client.screen("u1", "App", "Home", {"n": 1}, context=HERE)
    client.track(None, "Pricing Seen", {"n": 2}, anonymous_id="v1")
    client.alias("v1", "u1")
    client.track("u1", "Account Removed User", context={"groupId": 7})
    client.flush()
    client.join()
elif which == "posthog":
    from posthog import Posthog

    hog = Posthog(key, host=url, gzip=True)
    hog.group_identify("company", "a1", {"name": "Acme"})
    hog.set(distinct_id="u1", properties={"title": "CFO"})
    hog.capture("Report Exported", distinct_id="u1", properties={"pages": 3}, groups={"company": "a1"})
    hog.capture("$pageview", distinct_id="u1", properties={"$current_url": "https://example.com/docs"},
                groups={"company": "a1"})  # fmt: skip
    hog.alias("v1", "u1")
    hog.shutdown()
else:
    from userlist import Push

    push = Push(push_key=key, push_endpoint=f"{url}/userlist")
    push.users.create({"identifier": "u1", "email": "u1@example.com", "properties": {"title": "CFO"}})
    push.companies.create({"identifier": "a1", "name": "Acme", "signed_up_at": WHEN.isoformat()})
    push.relationships.create({"user": "u1", "company": "a1", "properties": {"role": "owner"}})
    push.events.create(
        {"name": "Report Exported", "user": "u1", "company": "a1", "properties": {"pages": 3},
         "occurred_at": WHEN.isoformat()}
    )  # fmt: skip
    push.relationships.create({"user": "u2", "company": "a1"})
    push.relationships.delete({"user": "u2", "company": "a1"})
