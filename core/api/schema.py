"""The OpenAPI document beyond what serializers say: what may be null, the headers of edits, the problems."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import FieldDoesNotExist
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import get_view_model
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from core.api.problems import CONTENT_TYPE

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
FAULT: Schema = {
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": _TEXT,
        "detail": _TEXT,
        "pointer": _TEXT | {"description": "A JSON pointer into the body."},
        "parameter": _TEXT | {"description": "The name of a query parameter."},
        "allowed": {"type": "array", "items": _TEXT},
    },
}
PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong, after RFC 9457.",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": _TEXT | {"description": "Ends with a code that does not change."},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT | {"description": "What to do."},
        "instance": _TEXT,
        "request_id": _TEXT,
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}},
        "current": {"description": "With 412: the state that the record has now."},
    },
}
IF_MATCH = "The ETag of the state that the change is meant for: 428 without one, 412 if the record is another by now."


class ApiSchema(AutoSchema):
    """Reads from a view which of its actions want an If-Match, and from its model which values can be missing."""

    def get_override_parameters(self) -> list[Any]:
        """The headers with which an edit says what it is an edit of, and a record what state it is in."""
        action = getattr(self.view, "action", None) or self.method.lower()
        required = action in getattr(self.view, "matched", ())
        found = list(super().get_override_parameters())
        if required or action == "update":
            found.append(OpenApiParameter("If-Match", str, "header", required=required, description=IF_MATCH))
        if action in ("retrieve", "update", "partial_update"):
            found.append(OpenApiParameter("ETag", str, "header", response=[200]))
        return found

    def _get_serializer_field_meta(self, field: Any, direction: str) -> Schema:
        found: Schema = super()._get_serializer_field_meta(field, direction)
        if isinstance(field, serializers.Field) and field.read_only and self._may_be_missing(field):
            found["nullable"] = True
        return found

    def _may_be_missing(self, field: Any) -> bool:
        """Whether a value that is only read is null where there is none: it says so, or its column does."""
        if field.default is None:
            return True
        path: list[str] = []
        while field.parent is not None:
            path[:0] = [part for part in str(field.source or "").split(".") if part not in ("", "*")]
            field = field.parent
        model: Any = get_view_model(self.view, emit_warnings=False)
        for part in path:
            try:
                column = model._meta.get_field(part)
            except (AttributeError, FieldDoesNotExist):
                return False
            if getattr(column, "null", False):
                return True
            model = column.related_model
        return False


def tell_problems(result: Schema, generator: Any, request: Any, public: bool) -> Schema:
    """A hook of drf-spectacular: every operation can answer with a problem."""
    schemas = result["components"]["schemas"]
    schemas.update(Fault=FAULT, Problem=PROBLEM)
    answer = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = {"description": "A problem", "content": answer}
    for schema in schemas.values():
        _mend_anything(schema)
    return result


def _mend_anything(schema: Any) -> None:
    """JSON of any shape may be null as it is: “one of anything and null” would refuse the null that is both."""
    if isinstance(schema, list):
        for item in schema:
            _mend_anything(item)
    elif isinstance(schema, dict):
        if schema.get("oneOf") == [{}, {"type": "null"}]:
            del schema["oneOf"]
        for item in schema.values():
            _mend_anything(item)
