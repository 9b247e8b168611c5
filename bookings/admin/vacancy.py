"""Use without a guest: what meters used in hours in which they served nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from bookings.vacancy import total, vacancy
from meters.admin.pages import Days, DaysForm

USUAL_D = 7
LONGEST_D = 92
"""A year of 300 meters takes the database ten seconds and more."""


class PeriodForm(DaysForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if {"from", "to"} <= cleaned.keys() and (cleaned["to"] - cleaned["from"]).days >= LONGEST_D:
            raise forms.ValidationError(_("At most %(days)d days at once.") % {"days": LONGEST_D})
        return cleaned


def page(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """The use of ?from= to ?to=, of the last seven days where they are not given."""
    if not request.user.has_perm("bookings.view_powerrule"):
        raise PermissionDenied
    today = timezone.localdate()
    usual = Days(today - timedelta(days=USUAL_D - 1), today)
    form = PeriodForm({"from": request.GET.get("from", usual.first), "to": request.GET.get("to", usual.last)})
    days = Days(form.cleaned_data["from"], form.cleaned_data["to"]) if form.is_valid() else None
    found = vacancy(days.start, days.end) if days else []
    energy_kwh, estimated_kwh = total(found)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Use without a guest"),
        "opts": model_admin.opts,
        "form": form,
        "days": days,
        "is_usual": days == usual,
        "earlier": days.moved(-1).query if days else None,
        "later": days.moved(1).query if days and days.last < today else None,
        "rows": [(each, each.last + timedelta(hours=1)) for each in found],
        "energy_kwh": energy_kwh,
        "estimated_kwh": estimated_kwh,
    }
    return TemplateResponse(request, "admin/bookings/vacancy.html", context)
