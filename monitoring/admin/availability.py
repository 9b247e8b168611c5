"""Availability by month: a table, and the same as CSV."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from django.utils.translation import gettext
from unfold.admin import ModelAdmin

from bookings import exports
from bookings.exports import Cell, Table
from bookings.portal import local
from meters import clock
from monitoring import availability
from monitoring.availability import Availability

NEEDS = "monitoring.view_incident"
HOUR = timedelta(hours=1)


def page(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Of ?month=2026-06, else of this one."""
    month, now = _asked(request), timezone.now()
    following = _following(month)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Availability"),
        "opts": model_admin.opts,
        "month": month,
        "earlier": _before(month),
        "later": following if following <= clock.day_of(now) else None,
        "rows": [_row(each) for each in _of(month, now)],
    }
    return TemplateResponse(request, "admin/monitoring/availability.html", context)


def download(request: HttpRequest) -> HttpResponse:
    """For the spreadsheet of the reader's language."""
    month, now = _asked(request), timezone.now()
    answer = HttpResponse(exports.as_csv(_table(month, now)), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="availability-{month:%Y-%m}.csv"'
    return answer


def _table(month: date, now: datetime) -> Table:
    """Hours with decimals; no percentage where nothing is known."""
    columns = (
        *(gettext("month"), gettext("area or part"), gettext("available, %"), gettext("available, hours")),
        *(gettext("away, hours"), gettext("planned, hours"), gettext("unknown, hours"), gettext("times away")),
    )
    return Table(gettext("Availability"), columns, tuple(_line(month, each) for each in _of(month, now)))


def _line(month: date, told: Availability) -> tuple[Cell, ...]:
    percent = None if told.percent is None else Decimal(f"{told.percent:.2f}")
    hours = (Decimal(f"{time / HOUR:.2f}") for time in (told.up, told.down, told.planned, told.unknown))
    return (f"{month:%Y-%m}", told.name, percent, *hours, told.outages)


def _asked(request: HttpRequest) -> date:
    """The first day of the month that is asked for; of this one where that is none."""
    if not request.user.has_perm(NEEDS):
        raise PermissionDenied
    today = timezone.localdate()
    match = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", request.GET.get("month", ""))
    return min(date(int(match[1]), int(match[2]), 1) if match else today, today).replace(day=1)


def _of(month: date, now: datetime) -> list[Availability]:
    return availability.between(clock.moment(month), clock.moment(_following(month)), now)


def _following(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)


def _before(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


def _row(told: Availability) -> dict[str, str | bool | int]:
    percent = gettext("unknown") if told.percent is None else f"{formats.number_format(told.percent, 2)} %"
    return {
        "name": told.name,
        "percent": percent,
        "is_low": told.percent is not None and told.percent < 99,
        "down": _span(told.down),
        "planned": _span(told.planned),
        "unknown": _span(told.unknown),
        "outages": told.outages,
        "longest": _span(told.longest),
    }


def _span(length: timedelta) -> str:
    return local.span(length) if length >= timedelta(seconds=1) else "–"
