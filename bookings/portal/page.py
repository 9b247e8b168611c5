"""The guest's page: pitch, power as the meter tells it, and kWh. Who is here and has no outlet yet says which one he
uses, by the number on the socket.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from bookings import limits, stays
from bookings.models import Stay, StayMeter
from bookings.portal import door, drawing, facts, pulse, report, switching
from meters import commands
from meters.models import Meter

REFUSED = {
    "unknown_outlet": _("There is no outlet of this number for you. Look at the number again, or ask at reception."),
    "several_outlets": _("Several outlets have this number. Type all that stands on yours, or ask at reception."),
    "outlet_taken": _("Another guest has this outlet. Take another one, or ask at reception."),
    "not_here": _("You are not checked in. Come to reception, please."),
}
"""What a guest is told, by the code of a StayError: nothing of other guests."""
TOO_OFTEN = _("You have tried many numbers. Wait a minute, or ask at reception.")
SWITCHED_TOO_OFTEN = _("You have switched often within a minute. Wait a moment, then try again.")
LONGEST_NUMBER = 40


@door.for_guest
@require_http_methods(["GET", "HEAD"])
def page(request: HttpRequest, stay: Stay, now: datetime) -> HttpResponse:
    """The page of the stay."""
    return _shown(request, stay, now)


@door.for_guest
@require_POST
def choose_outlet(request: HttpRequest, stay: Stay, now: datetime) -> HttpResponse:
    """The page once more where the outlet is his, else with what he typed and why not."""
    number = request.POST.get("outlet", "").strip()[:LONGEST_NUMBER]
    if wait_s := limits.wait_s("outlet", settings.PORTAL_CHOICES_A_MINUTE, "minute", stay.pk):
        return door.later(_shown(request, stay, now, number, TOO_OFTEN, status=429), wait_s)
    try:
        if _has_outlet(stay):
            return door.see_other("portal-page")
        stays.choose_outlet(stay, number, None, now)
    except stays.StayError as error:
        return _shown(request, stay, now, number, REFUSED[error.code], status=422)
    return door.see_other("portal-page")


@door.for_guest
@require_POST
def switch(request: HttpRequest, stay: Stay, now: datetime) -> HttpResponse:
    """The guest's outlet on or off; the page once more, with why not where he may not."""
    number, state = request.POST.get("meter", ""), request.POST.get("state", "")
    what = "on" if state == "on" else "off"  # apart: who has switched off often is not left in the dark
    if wait_s := limits.wait_s(what, settings.PORTAL_SWITCHES_A_MINUTE, "minute", stay.pk):
        return door.later(_shown(request, stay, now, not_switched=SWITCHED_TOO_OFTEN, status=429), wait_s)
    meter = Meter.objects.filter(pk=number).first() if number.isdecimal() and len(number) < 10 else None
    try:
        if meter is None or state not in ("on", "off"):
            raise switching.Refused(switching.Refusal.NOT_YOURS)
        switching.act(stay, meter, state == "on", now)
    except switching.Refused as refused:
        return _shown(request, stay, now, not_switched=refused.why.words, status=422)
    except commands.SwitchingError:
        return _shown(request, stay, now, not_switched=switching.Refusal.BY_RECEPTION.words, status=422)
    return door.see_other("portal-page")


# --- inside ----------------------------------------------------------------------------------------------------------


def _shown(
    request: HttpRequest,
    stay: Stay,
    now: datetime,
    typed: str = "",
    why_not: Promise | str = "",
    not_switched: Promise | str = "",
    status: int = 200,
) -> HttpResponse:
    known, reported = facts.gather(stay, now), report.told(stay, now)
    told = report.hours_open(now) | {
        "stay": stay,
        "facts": known,
        "key": pulse.key(stay, (outlet.near for outlet in known.outlets), report.count(reported)),
        "hours": known.hours and drawing.hours(known.hours),
        "days": known.days and drawing.days(known.days),
        "is_here": stay.status == Stay.Status.IN_HOUSE,
        "has_left": stay.status == Stay.Status.LEFT,
        "typed": typed,
        "why_not": why_not,
        "not_switched": not_switched,
        "longest": LONGEST_NUMBER,
        "reports": reported,
    }
    return door.show(request, "stay.html", told, status)


def _has_outlet(stay: Stay) -> bool:
    return StayMeter.objects.filter(stay=stay, period__upper_inf=True).exists()
