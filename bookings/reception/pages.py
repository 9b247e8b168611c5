"""Reception's pages: the first one, a booking's, a guest's card and his receipt. They show; they decide nothing."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import segno
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.utils import timezone, translation
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from bookings import links, mail, site, welcome
from bookings.models import Booking, Guest, Stay
from bookings.portal.receipt import pages as receipts
from bookings.reception import desk as desks
from bookings.reception import search as searching
from bookings.reception import sheet as sheets
from bookings.reception import typed
from bookings.reception.actions import guarded
from meters import installations
from meters.models import Pitch

NEEDS = ("bookings.view_stay", "bookings.view_guest")
"""Permissions without which reception's pages are not shown."""
MAY = {
    "change": "bookings.change_stay",
    "assign": "bookings.change_room",
    "switch": "meters.switch_meter",
    "charge": "bookings.add_charge",
    "sell": "bookings.add_packagesale",
    "correct": "bookings.add_correction",
    "speak": "bookings.change_guest",
    "link": "bookings.add_portallink",
    "tell": "bookings.change_packagenotice",
    "solve": "bookings.change_problemreport",
}
View = Callable[[HttpRequest], HttpResponse]


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What must be solved, and today; with ?q= what was found, or at once the only one."""

    def page(request: HttpRequest) -> HttpResponse:
        text = request.GET.get("q", "").strip()
        hits = searching.find(text) if text else []
        if len(hits) == 1:
            return HttpResponseRedirect(hits[0].url)
        told = {"title": gettext("Reception"), "desk": desks.desk(timezone.now()), "hits": hits, "query": text}
        return _page(request, "admin/bookings/reception.html", told)

    return guarded(_for_reception(page))(request)


@never_cache
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """What ?q= finds, as a piece of a page."""

    def page(request: HttpRequest) -> HttpResponse:
        text = request.GET.get("q", "")
        return render(request, "admin/bookings/reception_hits.html", {"hits": searching.find(text), "query": text})

    return guarded(_for_reception(page))(request)


@never_cache
@require_safe
def booking(request: HttpRequest, number: int) -> HttpResponse:
    """The page of the booking of this number of Sirvoy's."""

    def page(request: HttpRequest) -> HttpResponse:
        found = get_object_or_404(Booking.objects.select_related("guest"), sirvoy_id=number)
        told = {
            "title": gettext("Booking %(number)s") % {"number": number},
            "sheet": sheets.sheet(found, timezone.now()),
            "free": list(installations.free()[:50]),
            "pitches": Pitch.objects.values_list("number", flat=True),
            "languages": settings.LANGUAGES,
        }
        return _page(request, "admin/bookings/reception_booking.html", told)

    return guarded(_for_reception(page))(request)


@never_cache
@require_POST
def card(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new link for the guest, and show it once, to be printed: A6, in the guest's language."""

    def page(request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(MAY["link"]):
            raise PermissionDenied
        stay = get_object_or_404(Stay.objects.select_related("booking__guest", "pitch"), pk=pk)
        address = site.absolute(links.path(links.make(stay, request.user)), request)  # type: ignore[arg-type]
        told = {"stay": stay, "address": address, "qr": qr(address), "site": settings.SITE_NAME}
        with translation.override(_language(stay)):
            return render(request, "portal/card.html", told)

    return guarded(_for_reception(page))(request)


@never_cache
@require_safe
def link_mail(request: HttpRequest, pk: int) -> HttpResponse:
    """The mail with his link as this guest gets it, with an address that leads nowhere: to be looked at."""

    def page(request: HttpRequest) -> HttpResponse:
        stay = get_object_or_404(Stay.objects.select_related("booking__guest", "pitch"), pk=pk)
        guest = getattr(stay.booking, "guest", None) or Guest()
        made = welcome.message(stay, guest, site.absolute("/p/…/", request))
        html, _type = made.alternatives[0]
        return HttpResponse(str(html))

    return guarded(_for_reception(page))(request)


@never_cache
@require_safe
def receipt(request: HttpRequest, pk: int) -> HttpResponse:
    """The stay's receipt as its guest gets it: a PDF, in his language."""

    def page(request: HttpRequest) -> HttpResponse:
        stay = get_object_or_404(Stay.objects.select_related("booking__guest", "pitch"), pk=pk)
        with translation.override(_language(stay)):
            return receipts.as_pdf(stay, timezone.now())

    return guarded(_for_reception(page))(request)


def qr(text: str) -> SafeString:
    """A QR code as SVG, to stand within a page."""
    out = BytesIO()
    segno.make(text, error="m", micro=False).save(
        out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2, svgclass="qr", lineclass=None
    )
    return mark_safe(out.getvalue().decode())  # noqa: S308  (it holds nothing but the shape of the code)


# --- inside ----------------------------------------------------------------------------------------------------------


def _for_reception(page: View) -> View:
    def view(request: HttpRequest) -> HttpResponse:
        if not all(map(request.user.has_perm, NEEDS)):
            raise PermissionDenied
        return page(request)

    return view


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
