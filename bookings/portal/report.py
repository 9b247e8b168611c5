"""A guest reports what is wrong with his power, and reads on his page what became of it; what staff noted is theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from bookings import limits, reports
from bookings.models import Stay
from bookings.portal import door, local
from bookings.reports import Kind
from meters import clock

WORDS = {
    Kind.NO_POWER: _("I have no power"),
    Kind.TRIPS: _("The breaker trips again and again"),
    Kind.WRONG_OUTLET: _("This is not my outlet"),
    Kind.KWH: _("The kWh look wrong"),
    Kind.OTHER: _("Something else"),
}
"""As in the model: these are the ones that guests' languages are extracted from."""
TRY_FIRST = {
    Kind.NO_POWER: _(
        "Look at the breaker on the stand first: if its lever is down, put it up. Is the plug in all the way? "
        "On your page you see whether the outlet itself is on."
    ),
    Kind.TRIPS: _(
        "Unplug everything, put the breaker up, and plug in one appliance after the other. "
        "If it trips with the same one each time, leave that one unplugged."
    ),
    Kind.WRONG_OUTLET: _("Tell us the number on the socket where your cable is plugged in."),
    Kind.KWH: _(
        "A heater of 2,000 W uses 2 kWh in one hour, and heating, water heater and fridge also use power at night. "
        "On your page you see each hour."
    ),
    Kind.OTHER: _("Write below what it is, please."),
}
"""What to do oneself before one reports it."""
REFUSED = {
    "not_open": _("Your stay is over. Come to reception, please."),
    "unknown_kind": _("Choose what is wrong, please."),
    "needs_text": _("Write what is wrong, please: a few words are enough."),
    "too_long": _("That is too long. At most 1,000 letters, please."),
    "not_its_outlet": _("This outlet is not yours any more. Choose again, please."),
}
"""What a guest is told, by the code of a ReportError."""
TOO_OFTEN = _("You have reported often within an hour. Call reception, please, or come by.")


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind as it stands in the form."""

    kind: str
    words: Promise
    first: Promise
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Told:
    """A report as its guest reads it; `at`: when he made it."""

    words: Promise
    text: str
    at: str
    is_solved: bool


@door.for_guest
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, stay: Stay, now: datetime) -> HttpResponse:
    """The form; his page again once it is sent, else the form with what he wrote and why not. Who chooses a language
    meanwhile has it in that, with what he wrote.
    """
    if request.method != "POST" or "language" in request.POST:
        return _shown(request, stay, now)
    if wait_s := limits.wait_s("report", settings.PORTAL_REPORTS_AN_HOUR, "hour", stay.pk):
        return door.later(_shown(request, stay, now, TOO_OFTEN, status=429), wait_s)
    try:
        reports.report(stay, _said(request, "kind"), _said(request, "text"), _outlet(request), now, _language())
    except reports.ReportError as error:
        return _shown(request, stay, now, REFUSED[error.code], status=422)
    return door.SeeOther(f"{reverse('portal-page')}#reports")


def told(stay: Stay, now: datetime) -> list[Told]:
    """What the guests of this stay reported, the open ones first; one query."""
    return [
        Told(WORDS[Kind(r.kind)], r.text, _at(r.made_at, now), r.solved_at is not None) for r in reports.of_stay(stay)
    ]


def count(told: list[Told]) -> reports.Count:
    return reports.Count(len(told), sum(each.is_solved for each in told))


def hours_open(now: datetime) -> dict[str, str]:
    """When somebody is at reception."""
    return {"opens": _clock(settings.RECEPTION_OPENS, now), "closes": _clock(settings.RECEPTION_CLOSES, now)}


# --- inside ----------------------------------------------------------------------------------------------------------


def _shown(
    request: HttpRequest, stay: Stay, now: datetime, why_not: Promise | str = "", status: int = 200
) -> HttpResponse:
    kind = _said(request, "kind")
    form = {
        "choices": [Choice(each.value, WORDS[each], TRY_FIRST[each], each == kind) for each in Kind],
        "outlets": reports.outlets(stay, now),
        "outlet": _said(request, "outlet"),
        "text": _said(request, "text").replace("\x00", ""),
        "longest": reports.LONGEST,
        "why_not": why_not,
    }
    return door.show(request, "report.html", form | hours_open(now), status)


def _said(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "")


def _outlet(request: HttpRequest) -> int | None:
    """The meter's id, as the form sends it; -1, which none has, for what is no id."""
    told = _said(request, "outlet")
    if not told:
        return None
    return int(told) if told.isdecimal() and told.isascii() and len(told) < 10 else -1


def _language() -> str:
    return translation.get_language() or "en"


def _at(moment: datetime, now: datetime) -> str:
    """The time of day where it was today."""
    is_today = clock.day_of(moment) == clock.day_of(now)
    return local.clock(moment) if is_today else local.moment(moment)


def _clock(at: str, now: datetime) -> str:
    """Such as 08:00 or 08.00, as the language writes it."""
    return local.clock(clock.moment(clock.day_of(now), time.fromisoformat(at)))
