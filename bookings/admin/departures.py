"""The departures list: what to type into Sirvoy today, and the files for the accounts. That it was typed is noted by
reception's verbs.
"""

from __future__ import annotations

from datetime import date, timedelta

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.text import slugify
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.widgets import SELECT_CLASSES

from bookings import departures, exports
from bookings.admin.guests import may_see
from bookings.exports import Kind
from bookings.reception import desk
from meters.admin.pages import DaysForm

LETTERS = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa"})
FORMATS = {
    "csv": ("text/csv; charset=utf-8", exports.as_csv),
    "xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", exports.as_excel),
}


class ExportForm(DaysForm):
    """What, and of which days."""

    kind = forms.ChoiceField(
        label=_("what"),
        choices=[(kind.value, kind.words) for kind in Kind],
        widget=forms.Select(attrs={"class": " ".join(SELECT_CLASSES)}),
    )


def page(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """The departures of ?day=, today's where it names none."""
    _check(request, "bookings.view_charge")
    today = timezone.localdate()
    day = _day(request.GET.get("day")) or today
    rows = desk.leaving(day)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Departures"),
        "opts": model_admin.opts,
        "day": day,
        "is_today": day == today,
        "earlier": (day - timedelta(days=1)).isoformat(),
        "later": (day + timedelta(days=1)).isoformat(),
        "rows": rows,
        "due": departures.total(each.departure for each in rows),
        "may_see_guests": may_see(request),
        "may_charge": request.user.has_perm("bookings.add_charge"),
        "form": ExportForm(initial={"from": day.replace(day=1), "to": day, "kind": Kind.DEPARTURES}),
    }
    return TemplateResponse(request, "admin/bookings/departures.html", context)


def export(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """A file of ?kind= from ?from= to ?to=, as ?format= csv or xlsx; with names for whoever may see guests."""
    _check(request, "bookings.view_charge")
    form = ExportForm(request.GET)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(map(str, errors)))
        return HttpResponseRedirect(reverse("admin:bookings_charge_departures"))
    kind, first, last = Kind(form.cleaned_data["kind"]), form.cleaned_data["from"], form.cleaned_data["to"]
    table = exports.table(kind, first, last, has_names=may_see(request))
    ending = "xlsx" if request.GET.get("format") == "xlsx" else "csv"
    content_type, write = FORMATS[ending]
    name = f"{slugify(table.title.translate(LETTERS))}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(write(table), content_type=content_type, headers=headers)


def _check(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _day(text: str | None) -> date | None:
    try:
        day = parse_date(text or "")
    except ValueError:
        return None
    return day if day and 2000 <= day.year < 2100 else None
