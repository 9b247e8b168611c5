"""Whether PostgreSQL takes a value for a column of ours, by the field that describes it: no database is asked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models


def check(model: type[models.Model], /, **values: Any) -> None:
    """AssertionError names the column that does not hold its value."""
    for name, value in values.items():
        why = why_not(model._meta.get_field(name), value)
        assert not why, f"{model.__name__}.{name} {why}: {value!r:.200}"


def why_not(field: Any, value: Any) -> str:
    """Empty where it fits."""
    if value is None:
        return "" if field.null else "takes no NULL"
    match field:
        case ArrayField():
            return next(filter(None, (why_not(field.base_field, each) for each in value)), "")
        case models.JSONField():
            return _why_no_json(value)
        case models.CharField() | models.TextField():
            return _why_no_text(value, field.max_length)
        case models.BooleanField():
            return "" if isinstance(value, bool) else "is a truth value"
        case models.IntegerField():
            low, high = connection.ops.integer_field_range(field.get_internal_type())
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            return "" if is_whole and low <= value <= high else f"takes {low} to {high}"
        case models.FloatField():
            return "" if math.isfinite(value) else "takes finite numbers"
        case models.DecimalField():
            room = 10 ** (field.max_digits - field.decimal_places)
            return "" if value.is_finite() and abs(round(value, field.decimal_places)) < room else "is too small"
        case models.DateTimeField():
            return "" if isinstance(value, datetime) and value.tzinfo else "takes aware times"
        case models.DateField():
            return "" if isinstance(value, date) and not isinstance(value, datetime) else "takes days"
    raise NotImplementedError(field)


def _why_no_text(value: Any, longest: int | None) -> str:
    if not isinstance(value, str):
        return "takes texts"
    if "\0" in value:
        return "takes no NUL"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "takes no half of a character"
    return f"takes {longest} letters" if longest is not None and len(value) > longest else ""


def _why_no_json(value: Any) -> str:
    match value:
        case Mapping():
            return next(filter(None, (_why_no_text(key, None) or _why_no_json(v) for key, v in value.items())), "")
        case list() | tuple():
            return next(filter(None, map(_why_no_json, value)), "")
        case str():
            return _why_no_text(value, None)
        case float():
            return "" if math.isfinite(value) else "takes finite numbers"
        case None | bool() | int() | Decimal():
            return ""
    try:
        json.dumps(value)
    except TypeError:
        return "takes JSON"
    return ""
