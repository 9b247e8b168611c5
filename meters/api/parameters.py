"""Times that machines write, checked; the query parameters of a meter's use: a span of time and how fine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from meters import clock

LONGEST = {"hour": timedelta(days=62), "day": timedelta(days=400)}
YEARS = range(2000, 2100)
NO_TIME = "Not a time. Write it in ISO 8601, e.g. 2026-07-01T00:00:00+02:00."


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
    return clock.moment(clock.day_of(end - timedelta(microseconds=1)) - timedelta(days=29))


def _moment(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return moment(text.replace(" ", "+"))  # an unescaped "+02:00" arrives as " 02:00"
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from None


def moment(text: str) -> datetime:
    """The time that an ISO 8601 text with a time zone tells, in UTC. Raises ValidationError."""
    try:
        told = parse_datetime(text)
    except ValueError:
        told = None
    if told is None:
        raise ValidationError([NO_TIME])
    if timezone.is_naive(told):
        raise ValidationError(["Has no time zone. Add Z or an offset, e.g. 2026-07-01T00:00:00+02:00."])
    if told.year not in YEARS:
        raise ValidationError([f"The year must be from {YEARS[0]} to {YEARS[-1]}."])
    return told.astimezone(UTC)
