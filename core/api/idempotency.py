"""Idempotency-Key: a write that is sent again with the same key is answered as it was the first time, and done once.

Key and answer are stored in the transaction of the write itself, so that there is neither a write without its answer
nor the other way round; a repetition that comes at the same moment waits for the first one. After the IETF draft
(httpapi-idempotency-key-header): the same key with another body is a mistake, and is told.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.db import transaction
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.problems import ApiProblem
from core.models import IdempotentAnswer

LONGEST_KEY = 255
KEPT = dt.timedelta(days=2)


def once(request: Request, act: Callable[[], Response]) -> Response:
    """Act, once per key and log-in. Without the header simply act, in one transaction."""
    key = request.headers.get("Idempotency-Key", "").strip()
    with transaction.atomic():
        if not key:
            return act()
        if len(key) > LONGEST_KEY or not key.isprintable():
            raise ApiProblem("invalid-idempotency-key", f"A key is at most {LONGEST_KEY} printable characters.")
        digest, user = _digest(request), int(request.user.pk or 0)
        row, made = IdempotentAnswer.objects.get_or_create(user_id=user, key=key, defaults={"digest": digest})
        if not made:
            if row.digest != digest:
                raise ApiProblem(
                    "idempotency-key-reused", "This Idempotency-Key was used for another request. Send a new one.", 422
                )
            return Response(row.answer, row.status, headers={"Idempotent-Replayed": "true"})
        response = act()
        row.status, row.answer = response.status_code, json.loads(json.dumps(response.data, default=str))
        row.save(update_fields=["status", "answer"])
        return response


def _digest(request: Request) -> str:
    text = json.dumps([request.method, request.path, request.data], sort_keys=True, default=_text)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _text(value: Any) -> str:
    return str(value)


def forget_answers_before(moment: dt.datetime) -> int:
    """Delete answers that nobody will ask for again; how many."""
    return IdempotentAnswer.objects.filter(created_at__lt=moment).delete()[0]
