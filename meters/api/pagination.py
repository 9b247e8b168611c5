"""Lists come in pages: ?limit= and ?offset=."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request


class Pages(LimitOffsetPagination):
    """100 at a time unless asked otherwise, 500 at most. What is no whole number is refused, not ignored."""

    default_limit = 100
    max_limit = 500
    limit_query_description = "How many to return: 1 to 500, 100 when not given."
    offset_query_description = "How many to leave out at the beginning."

    def get_limit(self, request: Request) -> int:
        return _whole(request, "limit", 1, self.max_limit, self.default_limit)

    def get_offset(self, request: Request) -> int:
        return _whole(request, "offset", 0, 1_000_000, 0)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limit, offset = super().get_schema_operation_parameters(view)
        limit["schema"] |= {"minimum": 1, "maximum": self.max_limit, "default": self.default_limit}
        offset["schema"] |= {"minimum": 0, "default": 0}
        return [limit, offset]


def _whole(request: Request, name: str, least: int, most: int, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise ValidationError({name: [f"A whole number from {least} to {most}."]})
    return int(text)
