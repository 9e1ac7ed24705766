"""Sends mixed messages with an unmodified SDK: `send.py segment|rudder URL KEY NUMBER`; prints what failed."""

from __future__ import annotations

import json
import sys
from typing import Any

which, url, key, number = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
failed: list[str] = []


def on_error(error: Exception, items: Any) -> None:
    """The SDK gave up on some messages."""
    failed.append(f"{len(items) if isinstance(items, list) else 1} messages: {error}")


if which == "segment":
    from segment.analytics import Client

    client = Client(key, host=url, on_error=on_error, max_queue_size=number, upload_interval=0.1)
    group_traits = {"name": "Acme", "seats": 12}
else:
    from rudderstack.analytics import Client

    client = Client(key, host=url, on_error=on_error, max_queue_size=number, upload_interval=0.1)
    group_traits = {"name": "Acme", "seats": 12, "address": {"city": "Oslo"}}

for n in range(number):
    user, account = f"u{n % 40}", f"a{n % 8}"
    here = {"groupId": account}
    match n % 7:
        case 0:
            client.identify(user, {"email": f"{user}@example.com", "visits": n})
        case 1:
            client.group(user, account, group_traits | {"at": n})
        case 2:
            client.track(user, "Report Exported", {"pages": n, "note": "é😀"}, context=here)
        case 3:
            client.page(user, "Docs", f"Page {n % 9}", {"path": "/docs"}, context=here)
        case 4:
            client.screen(user, "App", "Home", {"n": n}, context=here)
        case 5:
            client.track(user, "Report Opened", {"n": n})
        case 6:
            client.alias(f"visitor-{n % 40}", user)
client.flush()
client.join()
sys.stdout.write(json.dumps({"failed": failed}) + "\n")
