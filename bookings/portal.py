"""The guest's own page, by a secret address: pitch, power as the meter tells it, and kWh. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.timesince import timesince
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bookings import ledger, links, mail
from bookings.models import Stay, StayMeter
from bookings.webhook import WrongTokens
from meters import online, overview
from meters.models import Meter

gettext_noop("Electricity")  # the name of a site that has none of its own


class WrongLinks(WrongTokens):
    """Counts wrong links by address; right ones are never counted."""

    def get_rate(self) -> str:
        return f"{settings.PORTAL_WRONG_LINKS_A_MINUTE}/min"

    def get_cache_key(self, request: HttpRequest, view: Any) -> str:
        return super().get_cache_key(request, view).replace("sirvoy", "portal", 1)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Outlet:
    """A meter of the stay. `relay` as it told itself, None: it has not said; `age`: how long ago, in the language that
    is spoken; `is_heard`: it is online now.
    """

    name: str
    relay: bool | None
    age: str
    is_heard: bool


@never_cache
@require_safe
def page(request: HttpRequest, token: str) -> HttpResponse:
    """The page of the stay; 404 for whatever leads nowhere, 429 for whoever tries too often."""
    now = timezone.now()
    stay = links.check(token, now)
    if stay is None:
        return _refused(request)
    guest = getattr(stay.booking, "guest", None)
    language = mail.language_of(guest) if guest else translation.get_language() or "en"
    with translation.override(language):
        answer = render(request, "portal/stay.html", _told(stay, now))
    answer.headers["Content-Language"] = language
    return _private(answer)


def _told(stay: Stay, now: datetime) -> dict[str, Any]:
    return {
        "stay": stay,
        "outlets": _outlets(stay, now),
        "used": ledger.used_kwh([stay]),
        "is_here": stay.status == Stay.Status.IN_HOUSE,
        "site": settings.SITE_NAME,
    }


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
    lines = StayMeter.objects.filter(stay=stay, period__upper_inf=True).values("meter")
    link = online.link(now)
    return [_outlet(meter, link, now) for meter in overview.meters(now).filter(pk__in=lines)]


def _outlet(meter: Meter, link: online.Link, now: datetime) -> Outlet:
    state = getattr(meter, "state", None)
    is_heard = online.status(meter, link, now).is_online
    if state is None or state.relay is None:
        return Outlet(str(meter), None, "", is_heard)
    return Outlet(str(meter), state.relay, _age(state.relay_at, now), is_heard)


def _age(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return ""
    if now - moment < timedelta(minutes=1):
        return gettext("just now")
    return gettext("%(age)s ago") % {"age": timesince(moment, now, depth=1)}
