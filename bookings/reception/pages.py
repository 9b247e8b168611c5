"""Reception's pages: the first one, a booking's, a guest's card and his receipt. They show; they decide nothing."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from bookings import links, mail, site, stay_exports, welcome
from bookings.models import Booking, Guest, Stay
from bookings.portal.receipt import pages as receipts
from bookings.reception import desk as desks
from bookings.reception import search as searching
from bookings.reception import sheet as sheets
from bookings.reception import typed
from bookings.reception.actions import for_staff
from bookings.reception.verbs import MAY
from meters import installations, qr
from meters.admin.pages import asked_format
from meters.files.answers import download
from meters.models import Pitch

NEEDS = ("bookings.view_stay", "bookings.view_guest")
"""Permissions without which reception's pages are not shown."""


@require_safe
@for_staff
@permission_required(NEEDS, raise_exception=True)
def home(request: HttpRequest) -> HttpResponse:
    """What must be solved, and today; with ?q= what was found, or at once the only one."""
    text = request.GET.get("q", "").strip()
    hits = searching.find(text) if text else []
    if len(hits) == 1:
        return HttpResponseRedirect(hits[0].url)
    told = {"title": gettext("Reception"), "desk": desks.desk(timezone.now()), "hits": hits, "query": text}
    return _page(request, "admin/bookings/reception.html", told)


@require_safe
@for_staff
@permission_required(NEEDS, raise_exception=True)
def search(request: HttpRequest) -> HttpResponse:
    """What ?q= finds, as a piece of a page."""
    text = request.GET.get("q", "")
    return render(request, "admin/bookings/reception_hits.html", {"hits": searching.find(text), "query": text})


@require_safe
@for_staff
@permission_required(NEEDS, raise_exception=True)
def booking(request: HttpRequest, number: int) -> HttpResponse:
    """The page of the booking of this number of Sirvoy's."""
    found = get_object_or_404(Booking.objects.select_related("guest"), sirvoy_id=number)
    told = {
        "title": gettext("Booking %(number)s") % {"number": number},
        "sheet": sheets.sheet(found, timezone.now()),
        "free": list(installations.free()[:50]),
        "pitches": Pitch.objects.values_list("number", flat=True),
        "languages": settings.LANGUAGES,
    }
    return _page(request, "admin/bookings/reception_booking.html", told)


@require_POST
@for_staff
@permission_required((*NEEDS, MAY["link"]), raise_exception=True)
def card(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new link for the guest, and show it once, to be printed: A6, in the guest's language."""
    stay = _stay(pk)
    address = site.absolute(links.path(links.make(stay, request.user)), request)  # type: ignore[arg-type]
    told = {"stay": stay, "address": address, "qr": qr.svg(address), "site": settings.SITE_NAME}
    with translation.override(_language(stay)):
        return render(request, "portal/card.html", told)


@require_safe
@for_staff
@permission_required(NEEDS, raise_exception=True)
def link_mail(request: HttpRequest, pk: int) -> HttpResponse:
    """The mail with his link as this guest gets it, with an address that leads nowhere: to be looked at."""
    stay = _stay(pk)
    guest = getattr(stay.booking, "guest", None) or Guest()
    made = welcome.message(stay, guest, site.absolute("/p/…/", request))
    html, _type = made.alternatives[0]
    told = {"title": gettext("The mail with the link"), "mail": made, "html": html, "why_not": mail.unreachable(guest)}
    return TemplateResponse(request, "admin/bookings/reception_mail.html", admin.site.each_context(request) | told)


@require_safe
@for_staff
@permission_required(NEEDS, raise_exception=True)
def receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """The stay's receipt as its guest gets it: a PDF, in his language."""
    stay = _stay(pk)
    with translation.override(_language(stay)):
        return receipts.as_pdf(stay, timezone.now())


@require_safe
@for_staff
@permission_required((*NEEDS, MAY["take_along"]), raise_exception=True)
def data(request: HttpRequest, pk: int, what: str) -> HttpResponseBase:
    """The stay's readings, or its ledger, as a file: ?format= csv or parquet."""
    tell = {"readings": stay_exports.readings, "ledger": stay_exports.of_stay}.get(what)
    if tell is None:
        raise Http404
    return download(tell(_stay(pk)), asked_format(request))


# --- inside ----------------------------------------------------------------------------------------------------------


def _stay(pk: int) -> Stay:
    return get_object_or_404(Stay.objects.select_related("booking__guest", "pitch"), pk=pk)


def _language(stay: Stay) -> str:
    """The guest's; the campsite's where nothing is known of him."""
    guest = getattr(stay.booking, "guest", None)
    return mail.language_of(guest) if guest else settings.LANGUAGE_CODE


def _page(request: HttpRequest, template: str, told: dict[str, Any]) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        **told,
        "now": timezone.now(),
        "currency": settings.CURRENCY,
        "typed": typed.take(request),
        "may": {name: request.user.has_perm(permission) for name, permission in MAY.items()},
    }
    return TemplateResponse(request, template, context)
