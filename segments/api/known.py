"""Pages of members that say since when membership is known: an empty list of an earlier day says nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

from rest_framework.response import Response

from core.api.pagination import KeysetPagination


class MemberPages(KeysetPagination):
    """The usual pages, and `known_from`, the day of the first entry; null where no day was asked for."""

    known_from: dt.date | None = None

    def get_paginated_response(self, data: Any) -> Response:
        """The page with its links and the day."""
        answer = super().get_paginated_response(data)
        answer.data["known_from"] = self.known_from
        return answer

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """For the OpenAPI document."""
        said = "The day of the first entry: nothing is known of days before. Null unless a day (`on`) is asked for."
        found = super().get_paginated_response_schema(schema)
        found["required"] = [*found["required"], "known_from"]
        found["properties"]["known_from"] = {"type": ["string", "null"], "format": "date", "description": said}
        return found
