"""The page on which staff let meters go: first what will then be wanted of them, then one click."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from unfold.admin import ModelAdmin

from meters import commands
from meters.admin.base import ReasonForm
from meters.models import Meter, Source


def page(model_admin: ModelAdmin, request: HttpRequest, meters: Sequence[Meter]) -> HttpResponse:
    """Tells what is wanted once staff want nothing of these meters any more; once confirmed, ends what they want."""
    rows = commands.orders.letting_go(meters, timezone.now())
    held = [row.meter for row in rows if row.staff]
    form = ReasonForm(request.POST if "confirmed" in request.POST else None)
    if form.is_valid():
        _let_go(request, held, form.cleaned_data["reason"])
        return HttpResponseRedirect(_home(meters))
    title = gettext("Let go of %(count)d meters") % {"count": len(meters)}
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Let go of %(meter)s") % {"meter": meters[0]} if len(meters) == 1 else title,
        "opts": Meter._meta,
        "form": form,
        "rows": rows,
        "to_do": len(held),
        "back": _home(meters),
    }
    return TemplateResponse(request, "admin/meters/let_go.html", context)


def _let_go(request: HttpRequest, meters: Sequence[Meter], reason: str) -> None:
    done = len(commands.end_all(meters, Source.STAFF, request.user, reason))
    text = ngettext(
        "Staff want nothing of %(count)d meter any more.", "Staff want nothing of %(count)d meters any more.", done
    )
    messages.success(request, text % {"count": done})


def _home(meters: Sequence[Meter]) -> str:
    if len(meters) == 1:
        return reverse("admin:meters_meter_change", args=[meters[0].pk])
    return reverse("admin:meters_meter_changelist")
