"""What reception does, over HTTP: each action checks the permission, reads its form, and runs the verb of it.

A refusal is told in words on the page that it came from, with what was typed still in its form. Every action is a POST.
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape, format_html
from django.utils.safestring import mark_safe
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from bookings.models import Booking, PackageNotice, ProblemReport, Room, Stay
from bookings.reception import typed, verbs
from bookings.reception.verbs import Verb

BUSY = {"40001", "40P01", "55P03"}
"""PostgreSQL's codes of a lock that another transaction holds: serialization failure, deadlock, lock not available."""
for_staff = admin.site.admin_view
"""Others are led to the log-in page."""


@require_POST
@for_staff
def of_stay(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    found = _allowed(request, verbs.OF_STAY.get(verb))
    stay = get_object_or_404(Stay.objects.select_related("booking", "pitch"), pk=pk)
    return _act(request, found, stay, _sheet(stay.booking))


@require_POST
@for_staff
def of_booking(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    found = _allowed(request, verbs.OF_BOOKING.get(verb))
    booking = get_object_or_404(Booking, pk=pk)
    return _act(request, found, booking, _back(request, booking))


@require_POST
@for_staff
def of_room(request: HttpRequest, pk: int) -> HttpResponse:
    found = _allowed(request, verbs.ASSIGN)
    return _act(request, found, get_object_or_404(Room, pk=pk), reverse("reception"))


@require_POST
@for_staff
def of_notice(request: HttpRequest, pk: int) -> HttpResponse:
    found = _allowed(request, verbs.TELL)
    notice = get_object_or_404(PackageNotice.objects.select_related("booking"), pk=pk)
    return _act(request, found, notice, reverse("reception"))


@require_POST
@for_staff
def of_report(request: HttpRequest, pk: int) -> HttpResponse:
    found = _allowed(request, verbs.SOLVE)
    report = get_object_or_404(ProblemReport.objects.select_related("stay__booking"), pk=pk)
    return _act(request, found, report, _back(request, report.stay.booking))


# --- inside ----------------------------------------------------------------------------------------------------------


def _allowed(request: HttpRequest, verb: Verb | None) -> Verb:
    if verb is None:
        raise Http404
    if not request.user.has_perm(verbs.MAY[verb.may]):
        raise PermissionDenied
    return verb


def _act(request: HttpRequest, verb: Verb, subject: Any, then: str) -> HttpResponse:
    form = verb.form(request.POST)
    by = cast(User, request.user)
    refused = _wrong(form)
    if not refused and verb.asks and "sure" not in request.POST:
        return _ask(request, str(verb.asks) % {"outlet": form.cleaned_data.get("meter")}, then)
    if not refused:
        try:
            messages.success(request, str(verb.run(subject, form.cleaned_data, by, timezone.now())))
        except verbs.REFUSALS as error:
            refused = [_refusal(error)]
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in BUSY:
                raise
            refused = [gettext("Somebody else is changing this at the moment. Nothing was done: try once more.")]
    if isinstance(subject, Booking) and then != _sheet(subject):  # a list, of many bookings
        refused = [format_html("{}: {}", subject, text) for text in refused]
    if refused:
        typed.keep(request, form)
    for text in refused:
        messages.error(request, text)
    return HttpResponseRedirect(then)


def _ask(request: HttpRequest, text: str, back: str) -> HttpResponse:
    """Once more, for browsers in which no script has asked."""
    values = [(name, value) for name, value in request.POST.items() if name != "csrfmiddlewaretoken"]
    title = {"title": gettext("Reception"), "text": text, "values": values, "back": back}
    return TemplateResponse(request, "admin/bookings/reception_ask.html", {**admin.site.each_context(request), **title})


def _wrong(form: Form) -> list[str]:
    """What is wrong with what was typed, field by field."""
    labels = {name: field.label for name, field in form.fields.items()}
    return [f"{labels.get(name) or name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]


def _refusal(error: Exception) -> str:
    """With the guest who stands in the way, where there is one: staff may know."""
    other = getattr(error, "stay", None)
    if isinstance(other, Stay):
        number = format_html('<a class="underline" href="{}">{}</a>', _sheet(other.booking), other.booking)
        told = {"why": escape(error), "number": number}
        return mark_safe(gettext("%(why)s It is booking %(number)s.") % told)  # noqa: S308  (both are escaped)
    return str(error)


def _back(request: HttpRequest, booking: Booking) -> str:
    """To where it was pressed: reception's first page, the list of a day's departures, else the booking's page."""
    if "home" in request.POST:
        return reverse("reception")
    if day := request.POST.get("day"):
        return f"{reverse('admin:bookings_charge_departures')}?{urlencode({'day': day})}"
    return _sheet(booking)


def _sheet(booking: Booking) -> str:
    return reverse("reception_booking", args=[booking.sirvoy_id])
