"""Optimistic locking: what is read carries an ETag, and a change says with If-Match which state it is meant for."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from rest_framework.request import Request

from core.api.problems import ApiProblem


def etag_of(state: Any) -> str:
    """A strong ETag of a JSON state: equal states have equal tags."""
    text = json.dumps(state, sort_keys=True, cls=DjangoJSONEncoder, ensure_ascii=False)
    return f'"{hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'


def tags_in(header: str) -> list[str]:
    """The tags of an If-Match header; weak ones never match, as RFC 9110 has it."""
    return [tag.strip() for tag in header.split(",") if tag.strip()]


def check_match(request: Request, current: str, state: Any, *, required: bool = True) -> None:
    """Refuse a change that was meant for another state: 428 without If-Match, 412 if it differs."""
    header = request.headers.get("If-Match", "")
    if not header:
        if required:
            raise ApiProblem(
                "precondition-required",
                "Read the record first and send its ETag as If-Match, so that nobody's change is lost.",
                428,
                headers={"ETag": current},
            )
        return
    if "*" not in tags_in(header) and current not in tags_in(header):
        raise ApiProblem(
            "stale",
            "The record was changed meanwhile. “current” holds its present state; send the new ETag to go on.",
            412,
            headers={"ETag": current},
            current=state,
        )
