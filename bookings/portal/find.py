"""For guests without their address: the booking's number, the surname and the day of arrival lead to the page.

Whether there is such a booking is never told: what is wrong is answered alike, and tries are counted before anything is
looked up, also for numbers that do not exist.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import date, datetime

from django import forms
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from bookings import limits, links
from bookings.models import Booking, Guest, Stay
from bookings.portal import door

SALT = "bookings.portal.choose"
CHOICE_S = 600
"""So long a guest may look at the list of his pitches."""
WITHOUT_ACCENT = str.maketrans({"ø": "o", "æ": "ae", "ł": "l", "đ": "d", "ð": "d", "þ": "th"})
SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae"})


class Form(forms.Form):
    """What a guest knows of his booking."""

    number = forms.RegexField(
        r"^[0-9]{1,15}$",
        strip=True,
        label=_("Booking number"),
        error_messages={"invalid": _("The number has only digits.")},
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "maxlength": 20}),
    )
    surname = forms.CharField(
        label=_("Surname"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "family-name"})
    )
    arrival = forms.DateField(
        label=_("Day of arrival"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )


@door.for_all
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form; the page of the stay where it is right, a list where the booking has several."""
    if request.method != "POST":
        return door.show(request, "find.html", {"form": Form()})
    form = Form(request.POST)
    is_read = form.is_valid()
    told = form.cleaned_data
    if wait_s := _wait_s(request, int(told.get("number") or 0)):
        return door.too_many(request, wait_s)
    if not is_read:
        return door.show(request, "find.html", {"form": form}, status=422)
    found = stays_of(int(told["number"]), told["surname"], told["arrival"], timezone.now())
    if not found:
        return door.show(request, "find.html", {"form": form, "is_unknown": True}, status=422)
    if len(found) > 1:
        return door.show(request, "choose.html", {"choices": [(stay, _sign(stay)) for stay in found]})
    return door.admit(links.any_of(found[0]))


@door.for_all
@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    """One of several stays of the booking that he proved to be his."""
    try:
        chosen = signing.loads(request.POST.get("stay", ""), salt=SALT, max_age=CHOICE_S)
    except signing.BadSignature:
        return door.see_other("portal-find")
    stay = Stay.objects.filter(pk=chosen).first()
    if stay is None or not links.is_open(stay, timezone.now()):
        return door.see_other("portal-find")
    return door.admit(links.any_of(stay))


def stays_of(number: int, surname: str, arrival: date, now: datetime) -> Sequence[Stay]:
    """The stays of this booking whose pages are open, if surname and arrival are right."""
    booking = Booking.objects.select_related("guest").filter(sirvoy_id=number).first()
    of_booking = Stay.objects.select_related("pitch").filter(booking=booking, position__isnull=False)
    stays = list(of_booking.order_by("position"))  # asked for whatever is right: how long it takes tells nothing
    guest = getattr(booking, "guest", None)
    if booking is None or guest is None or not _is_called(guest, surname):
        return []
    if arrival not in {booking.arrival, *(stay.arrival for stay in stays)}:
        return []
    return [stay for stay in stays if links.is_open(stay, now)]


# --- inside ----------------------------------------------------------------------------------------------------------


def _wait_s(request: HttpRequest, number: int) -> int | None:
    """All tries of one address are counted (many guests may share the campsite's), and all for one number, whether or
    not there is such a booking, and however it was written.
    """
    a_minute, an_hour = settings.PORTAL_FINDS_A_MINUTE, settings.PORTAL_FINDS_OF_A_BOOKING_AN_HOUR
    wait_s = limits.wait_s("find", a_minute, "minute", limits.address(request))
    return wait_s or (limits.wait_s("booking", an_hour, "hour", number) if number else None)


def _sign(stay: Stay) -> str:
    return signing.dumps(stay.pk, salt=SALT)


def _is_called(guest: Guest, surname: str) -> bool:
    """Capitals, spaces and accents do not count: Müller may be typed Muller or Mueller."""
    names = [name for name in (guest.last_name or guest.first_name, guest.business_name) if name]
    return any(_spellings(name) & _spellings(surname) for name in names)


def _spellings(name: str) -> set[str]:
    lower = unicodedata.normalize("NFC", name).casefold()
    found = (lower.translate(SPELT_OUT), unicodedata.normalize("NFKD", lower.translate(WITHOUT_ACCENT)))
    return {"".join(letter for letter in each if letter.isalnum()) for each in found} - {""}
