"""The query parameters of a meter's use, checked: a span of time and how fine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

LONGEST = {"hour": timedelta(days=62), "day": timedelta(days=400)}
DEFAULT = {"hour": timedelta(hours=24), "day": timedelta(days=30)}
YEARS = range(2000, 2100)


@dataclass(frozen=True, slots=True)
class Span:
    per: str
    start: datetime
    end: datetime


def span(request: Request, now: datetime) -> Span:
    """?from=, ?to= and ?per= of the request. Without them: the last 24 hours, or the last 30 days per=day.

    Raises ValidationError that names the parameter.
    """
    per = request.query_params.get("per", "hour")
    if per not in LONGEST:
        raise ValidationError({"per": ["hour or day."]})
    end = _moment(request, "to") or now
    start = _moment(request, "from") or _default_start(end, per)
    if start >= end:
        raise ValidationError({"from": ["Must be before `to`."]})
    if end - start > LONGEST[per]:
        raise ValidationError({"from": [f"At most {LONGEST[per].days} days may be asked for per={per}."]})
    return Span(per, start, end)


def _default_start(end: datetime, per: str) -> datetime:
    """So that 24 hours or 30 days come back, the one that `end` lies in included."""
    if per == "hour":
        return (end - timedelta(microseconds=1)).replace(minute=0) - timedelta(hours=23)
    local = timezone.localtime(end - timedelta(microseconds=1))
    return datetime.combine(local.date() - timedelta(days=29), datetime.min.time(), local.tzinfo)


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        # An unescaped "+02:00" arrives as " 02:00".
        moment = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None:
        raise ValidationError({name: ["Not a time. Write it in ISO 8601, e.g. 2026-07-01T00:00:00+02:00."]})
    if timezone.is_naive(moment):
        raise ValidationError({name: ["Has no time zone. Add Z or an offset, e.g. 2026-07-01T00:00:00+02:00."]})
    if moment.year not in YEARS:
        raise ValidationError({name: [f"The year must be from {YEARS[0]} to {YEARS[-1]}."]})
    return moment.astimezone(UTC)
