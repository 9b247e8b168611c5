"""Read-only pages of one meter by dates: its raw readings, and its hourly use. Days are the campsite's.

Django's admin cannot register tables with composite keys, so these are views of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES

from meters import clock, exports, usage
from meters.admin.base import NOTHING, label, relay
from meters.exports import What
from meters.files.answers import Format, download
from meters.models import Meter, Reading

PAGE = 200
LONGEST_D = 400
HOURS_UP_TO_D = 7
"""Longer spans of use are shown by day."""


@dataclass(frozen=True, slots=True)
class Days:
    """From the first day's midnight to the midnight after the last day (UTC)."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        return clock.moment(self.first)

    @property
    def end(self) -> datetime:
        return clock.moment(self.last + timedelta(days=1))

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1

    def moved(self, steps: int) -> Days:
        """As many days, earlier or later."""
        by = timedelta(days=steps * self.count)
        return Days(self.first + by, self.last + by)

    @property
    def query(self) -> str:
        return urlencode({"from": self.first.isoformat(), "to": self.last.isoformat()})


class DaysForm(forms.Form):
    """Two dates, both included."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, text in (("from", _("from")), ("to", _("to"))):  # "from" can be no attribute
            widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date", "class": " ".join(INPUT_CLASSES)})
            self.fields[name] = forms.DateField(label=text, widget=widget, input_formats=["%Y-%m-%d"])

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        first, last = cleaned.get("from"), cleaned.get("to")
        if first is None or last is None:
            return cleaned
        if first > last:
            raise forms.ValidationError(_("The first day must not be after the last one."))
        if first.year < 2000 or last.year >= 2100 or (last - first).days >= LONGEST_D:
            raise forms.ValidationError(_("At most %(days)d days at once.") % {"days": LONGEST_D})
        return cleaned


class ExportForm(forms.Form):
    """What is taken along of the days that are shown."""

    what = forms.ChoiceField(
        label=_("what"),
        choices=[(what.value, what.words) for what in What],
        widget=forms.Select(attrs={"class": " ".join(SELECT_CLASSES)}),
    )


def asked_format(request: HttpRequest) -> Format:
    return Format.PARQUET if request.GET.get("format") == Format.PARQUET else Format.CSV


def asked_days(request: HttpRequest) -> tuple[DaysForm, Days | None]:
    """The days of ?from= and ?to=, today when not given; None with the form's errors where they are no days."""
    today = timezone.localdate().isoformat()
    first = request.GET.get("from") or request.GET.get("to") or today
    form = DaysForm({"from": first, "to": request.GET.get("to") or first})
    return form, Days(form.cleaned_data["from"], form.cleaned_data["to"]) if form.is_valid() else None


# --- readings --------------------------------------------------------------------------------------------------------


def readings(model_admin: ModelAdmin, request: HttpRequest, meter: Meter) -> HttpResponse:
    """The raw readings, newest first, PAGE at a time; `before` continues where the page before ended."""
    form, days = asked_days(request)
    rows, older = _page(meter, days, request.GET.get("before")) if days else ([], None)
    headers = [_("measured"), _("counter"), "W", "V", "A", _("relay"), _("link quality"), _("counts for energy")]
    context = {
        "headers": headers,
        "rows": [_reading(row) for row in rows],
        "older": older,
        "continued": "before" in request.GET,
        "nothing": _("No readings in these days."),
        "since": exports.lacks_readings(days.first) if days else None,
        "export": ExportForm(initial={"what": What.READINGS}),
    }
    title = gettext("Readings of %(meter)s") % {"meter": meter}
    return _render(model_admin, request, meter, title, form, days, context)


def _page(meter: Meter, days: Days, before: str | None) -> tuple[list[Reading], str | None]:
    """One page of readings, and the query that shows the older ones, if there are any."""
    end = days.end
    try:
        last = parse_datetime(before) if before else None
    except ValueError:
        last = None
    if last and timezone.is_aware(last):
        end = min(end, last)
    within = Reading.objects.filter(meter=meter, measured_at__gte=days.start, measured_at__lt=end)
    rows = list(within.order_by("-measured_at")[: PAGE + 1])
    if len(rows) <= PAGE:
        return rows, None
    return rows[:PAGE], f"{days.query}&{urlencode({'before': rows[PAGE - 1].measured_at.isoformat()})}"


def _reading(row: Reading) -> list[Any]:
    return [
        _moment(row.measured_at),
        _number(row.counter_wh, -3, 3),
        _number(row.power_w, 0, 0),
        _number(row.voltage_dv, -1, 1),
        _number(row.current_ma, -3, 3),
        relay(row.relay),
        _number(row.linkquality, 0, 0),
        _counts(row),
    ]


def _counts(row: Reading) -> str:
    """`epoch` is set where the counter's value is fresh and believed."""
    if row.epoch is not None:
        return label(gettext("epoch %(number)d") % {"number": row.epoch}, "success")
    return NOTHING if row.counter_wh is None else label(_("no"))


# --- hourly use ------------------------------------------------------------------------------------------------------


def hours(model_admin: ModelAdmin, request: HttpRequest, meter: Meter) -> HttpResponse:
    """Use by hour, by day where more than HOURS_UP_TO_D days are asked for."""
    form, days = asked_days(request)
    rows = []
    if days:
        by = usage.by_hour if days.count <= HOURS_UP_TO_D else usage.by_day
        rows = by([meter.pk], days.start, days.end)
    total, estimated = usage.total(rows)
    context = {
        "headers": [_("from"), _("energy in kWh"), _("of it estimated")],
        "rows": [_use(row) for row in rows] if total is not None else [],
        "footer": [_("Sum"), _kwh(total), _kwh(estimated)] if total is not None else None,
        "nothing": _("No use is known of these days."),
        "export": ExportForm(initial={"what": What.HOURS}),
    }
    title = gettext("Use of %(meter)s") % {"meter": meter}
    return _render(model_admin, request, meter, title, form, days, context)


def _use(row: usage.Use) -> list[str]:
    return [_moment(row.start, seconds=False), _kwh(row.energy_kwh), _kwh(row.estimated_kwh)]


# --- the same as a file ----------------------------------------------------------------------------------------------


def export(request: HttpRequest, meter: Meter) -> HttpResponseBase | None:
    """A file of ?what= from ?from= to ?to=, as ?format= csv or parquet; None where that is asked for wrongly."""
    form, days = ExportForm(request.GET), asked_days(request)[1]
    if not days or not form.is_valid():
        return None
    table = exports.of_meter(meter, What(form.cleaned_data["what"]), days.first, days.last)
    return download(table, asked_format(request))


# --- both ------------------------------------------------------------------------------------------------------------


def _render(
    model_admin: ModelAdmin,
    request: HttpRequest,
    meter: Meter,
    title: str,
    form: DaysForm,
    days: Days | None,
    context: dict[str, Any],
) -> HttpResponse:
    """The page with the choice of days, the way a day back and forth, and the table."""
    context |= {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "meter": meter,
        "form": form,
        "days": days,
        "query": f"?{days.query}" if days else "",
        "earlier": days.moved(-1).query if days else None,
        "later": days.moved(1).query if days and days.last < timezone.localdate() else None,
    }
    return TemplateResponse(request, "admin/meters/by_days.html", context)


def _moment(moment: datetime, seconds: bool = True) -> str:
    """By the campsite's clock, with its abbreviation: in autumn an hour comes twice."""
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z" if seconds else "%Y-%m-%d %H:%M %Z")


def _number(value: int | None, scale: int, places: int) -> str:
    if value is None:
        return NOTHING
    return formats.number_format(Decimal(value).scaleb(scale), places, force_grouping=True)


def _kwh(value: Decimal | None) -> str:
    return NOTHING if value is None else formats.number_format(value, 3)
