"""The guest's own page, by a secret address: pitch, power as the meter tells it, and kWh. Who is here and has no outlet
yet says which one he uses, by the number on the socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.timesince import timesince
from django.utils.translation import gettext, gettext_noop
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from bookings import ledger, links, mail, stays
from bookings.models import Stay, StayMeter
from bookings.webhook import WrongTokens
from meters import commands, online, overview
from meters.models import Area, Meter, Want

gettext_noop("Electricity")  # the name of a site that has none of its own
REFUSED = {
    "unknown_outlet": _("There is no outlet of this number for you. Look at the number again, or ask at reception."),
    "several_outlets": _("Several outlets have this number. Type all that stands on yours, or ask at reception."),
    "outlet_taken": _("Another guest has this outlet. Take another one, or ask at reception."),
    "not_here": _("You are not checked in. Come to reception, please."),
}
"""What a guest is told, by the code of a StayError: nothing of other guests."""
TOO_OFTEN = _("You have tried many numbers. Wait a minute, or ask at reception.")
LONGEST_NUMBER = 40


class WrongLinks(WrongTokens):
    """Counts wrong links by address; right ones are never counted."""

    def get_rate(self) -> str:
        return f"{settings.PORTAL_WRONG_LINKS_A_MINUTE}/min"

    def get_cache_key(self, request: HttpRequest, view: Any) -> str:
        return super().get_cache_key(request, view).replace("sirvoy", "portal", 1)  # type: ignore[arg-type]


class Choices(WrongLinks):
    """Counts the outlets that guests of one stay tried."""

    def get_rate(self) -> str:
        return f"{settings.PORTAL_CHOICES_A_MINUTE}/min"

    def get_cache_key(self, request: HttpRequest, view: Any) -> str:
        return f"portal-outlet-{view.pk}"


@dataclass(frozen=True, slots=True)
class Outlet:
    """A meter of the stay. `relay` as it told itself, None: it has not said; `age`: how long ago, in the language that
    is spoken; `is_heard`: it is online now; `is_coming`: it is being switched on; `is_cut`: it is wanted off.
    """

    name: str
    relay: bool | None
    age: str
    is_heard: bool
    is_coming: bool
    is_cut: bool


@never_cache
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponse:
    """The page of the stay, and the choice of an outlet; 404 for whatever leads nowhere, 429 for whoever tries too
    often.

    No cookie lets anybody in here, only the address: another site that could send this form would have to know it. And
    browsers that tell no other site of it send no origin that could be checked.
    """
    now = timezone.now()
    stay = links.check(token, now)
    if stay is None:
        return _refused(request)
    guest = getattr(stay.booking, "guest", None)
    language = mail.language_of(guest) if guest else translation.get_language() or "en"
    with translation.override(language):
        answer = _chosen(request, stay, now) if request.method == "POST" else _shown(request, stay, now)
    answer.headers["Content-Language"] = language
    return _private(answer)


def _chosen(request: HttpRequest, stay: Stay, now: datetime) -> HttpResponse:
    """The page once more where the outlet is his, else with what he typed and why not."""
    number = request.POST.get("outlet", "").strip()[:LONGEST_NUMBER]
    counter = Choices()
    if not counter.allow_request(request, stay):  # type: ignore[arg-type]
        answer = _shown(request, stay, now, number, TOO_OFTEN, status=429)
        answer.headers["Retry-After"] = str(int(counter.wait() or 60))
        return answer
    try:
        if _lines(stay).exists():
            return _see_other(request)
        stays.choose_outlet(stay, number, None, now)
    except stays.StayError as error:
        return _shown(request, stay, now, number, REFUSED[error.code], status=422)
    return _see_other(request)


def _see_other(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=303, headers={"Location": request.path})


def _shown(
    request: HttpRequest, stay: Stay, now: datetime, typed: str = "", why_not: Promise | str = "", status: int = 200
) -> HttpResponse:
    told = {
        "stay": stay,
        "outlets": _outlets(stay, now),
        "used": ledger.used_kwh([stay]),
        "is_here": stay.status == Stay.Status.IN_HOUSE,
        "has_left": stay.status == Stay.Status.LEFT,
        "site": settings.SITE_NAME,
        "typed": typed,
        "why_not": why_not,
        "longest": LONGEST_NUMBER,
    }
    return render(request, "portal/stay.html", told, status=status)


def _refused(request: HttpRequest) -> HttpResponse:
    counter = WrongLinks()
    if counter.allow_request(request, None):  # type: ignore[arg-type]
        raise Http404
    return _private(HttpResponse(status=429, headers={"Retry-After": str(int(counter.wait() or 60))}))


def _private(answer: HttpResponse) -> HttpResponse:
    """No search engine keeps it, and no other site hears of its address."""
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


def _outlets(stay: Stay, now: datetime) -> list[Outlet]:
    found = list(overview.meters(now).filter(pk__in=_lines(stay).values("meter")))
    link, wants = online.link(now), commands.in_force([meter.pk for meter in found], now)
    is_stopped = commands.stop.current() is not None
    return [_outlet(meter, link, wants.get(meter.pk), is_stopped, now) for meter in found]


def _lines(stay: Stay) -> QuerySet[StayMeter]:
    return StayMeter.objects.filter(stay=stay, period__upper_inf=True)


def _outlet(meter: Meter, link: online.Link, want: Want | None, is_stopped: bool, now: datetime) -> Outlet:
    state = getattr(meter, "state", None)
    relay = state.relay if state else None
    is_heard = online.status(meter, link, now).is_online
    area = meter.device.area
    is_switched = not is_stopped and area is not None and area.control == Area.Control.ACT
    is_coming = bool(want and want.state and not want.hold and is_heard and is_switched)
    age = _age(state.relay_at, now) if state and relay is not None else ""
    return Outlet(str(meter), relay, age, is_heard, is_coming, is_cut=bool(want and not want.state))


def _age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ""
    if now - moment < timedelta(minutes=1):
        return gettext("just now")
    return gettext("%(age)s ago") % {"age": timesince(moment, now, depth=1)}
