"""Who comes in: by a secret address, which is left at once for one without a secret; a cookie knows him again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_POST

from bookings import languages, limits, links
from bookings.models import PortalLink, Stay

gettext_noop("Electricity")  # the name of a site that has none of its own
COOKIE = "stay"
LANGUAGE = "stay-language"
SALT = "bookings.portal"
KEPT = timedelta(days=300)
"""So long a browser keeps the cookie; what it opens is asked each time. Longer than the longest season."""
COMES_IN = "in"
LEADS_BACK_TO = ("portal-find", "portal-receipt", "portal-report")
"""Where who chooses a language may have been, beside his page."""
View = Callable[[HttpRequest, Stay, datetime], HttpResponse]


@limits.counts_itself
@never_cache
@require_http_methods(["GET", "HEAD"])
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """By the secret address to the page; who comes by a wrong one, or too late, is told what to do (404), and 429 if he
    tries too often.
    """
    link = links.check(token, timezone.now())
    answer = admit(link) if link else _lost(request)
    answer.headers["Referrer-Policy"] = "strict-origin"  # never the path; without an origin its forms would be refused
    return private(answer)


def admit(link: PortalLink) -> HttpResponse:
    """Off to the page, with the cookie that opens it. The address tells the service worker that a guest comes in: what
    it kept may be another one's.
    """
    answer = SeeOther(f"{reverse('portal-page')}?{COMES_IN}")
    answer.set_signed_cookie(COOKIE, links.mark(link), SALT, **_only_here())
    return answer


def for_guest(view: View) -> Callable[[HttpRequest], HttpResponse]:
    """Only for who has the cookie of a stay that is open; others are led to the form. In his language."""

    @never_cache
    @gzip_page
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        stay = stay_of(request.COOKIES, now)
        if stay is None:
            return private(see_other("portal-find"))
        return _spoken(request, stay, lambda: view(request, stay, now))

    return wrapped


def for_all(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """For whoever comes, in the language that he chose, else his browser's."""

    @never_cache
    @gzip_page
    @wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        return _spoken(request, None, lambda: view(request))

    return wrapped


def stay_of(cookies: dict[str, str], now: datetime) -> Stay | None:
    """The stay that these cookies prove, asked of the database anew: with booking, guest and pitch."""
    mark = mark_of(cookies)
    return links.stay_of(mark, now) if mark else None


def mark_of(cookies: dict[str, str]) -> str:
    """The mark of the link that these cookies prove; "" where they prove none."""
    signed = HttpRequest()
    signed.COOKIES = cookies
    return str(signed.get_signed_cookie(COOKIE, default="", salt=SALT))


def show(request: HttpRequest, template: str, told: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """A page of the portal. Beside `told` each knows the campsite's name, how to reach it, and the languages."""
    always = {
        "site": settings.SITE_NAME,
        "phone": settings.SITE_PHONE,
        "email": settings.SITE_EMAIL,
        "languages": settings.LANGUAGES,
        "here": _here(request.path),
    }
    return render(request, f"portal/{template}", always | (told or {}), status=status)


class SeeOther(HttpResponseRedirect):
    """To another page by GET, whatever was done here."""

    status_code = 303


def see_other(name: str) -> HttpResponse:
    return SeeOther(reverse(name))


def too_many(request: HttpRequest, wait_s: int) -> HttpResponse:
    return later(show(request, "too_many.html", status=429), wait_s)


def later(answer: HttpResponse, wait_s: int) -> HttpResponse:
    """He is to try again in so many seconds."""
    answer.headers["Retry-After"] = str(wait_s)
    return answer


def is_portal(path: str) -> bool:
    return path.startswith((reverse("portal-page"), reverse("portal", args=["x"]).removesuffix("x/")))


def away(request: HttpRequest, again_s: int) -> HttpResponse:
    """While the database is away nobody is known: the same for whoever comes. `again_s`: the page tries again then."""
    return _spoken(request, None, lambda: show(request, "away.html", {"again_s": again_s}, status=503))


def busy(request: HttpRequest, wait_s: int) -> HttpResponse:
    """Whoever comes too often, in his language."""
    return _spoken(request, None, lambda: too_many(request, wait_s))


def private(answer: HttpResponse) -> HttpResponse:
    """No search engine keeps it, and no other site hears of its address."""
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    answer.headers.setdefault("Referrer-Policy", "same-origin")
    return answer


# --- what a guest does at the door -----------------------------------------------------------------------------------


@never_cache
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """From now on in this browser the pages are in the language that was chosen; back to where he was."""
    back = request.POST.get("next", "")
    answer = see_other(back if back in LEADS_BACK_TO else "portal-page")
    if (chosen := request.POST.get("language", "")) in languages.KNOWN:
        _keep_language(answer, chosen)
    return answer


@never_cache
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Forget in this browser who the guest is: the telephone is somebody else's."""
    answer = SeeOther(f"{reverse('portal-find')}?closed=1")
    answer.delete_cookie(COOKIE, path=reverse("portal-page"), samesite="Lax")
    return private(answer)


# --- inside ----------------------------------------------------------------------------------------------------------


def _lost(request: HttpRequest) -> HttpResponse:
    with translation.override(_language(request, None)):
        most = settings.PORTAL_WRONG_LINKS_A_MINUTE
        if wait_s := limits.wait_s("wrong", most, "minute", limits.address(request)):
            return too_many(request, wait_s)
        return show(request, "lost.html", status=404)


def _here(path: str) -> str:
    """The name of the page where a guest is who chooses a language; never the address by which he came in."""
    names = [name for name in LEADS_BACK_TO if path == reverse(name)]
    return names[0] if names else "portal-page" if path.startswith(reverse("portal-page")) else "portal-find"


def _only_here() -> dict[str, Any]:
    """A cookie that only these pages get, and no script."""
    secure = {"secure": settings.SESSION_COOKIE_SECURE, "httponly": True, "samesite": "Lax"}
    return secure | {"max_age": KEPT, "path": reverse("portal-page")}


def _keep_language(answer: HttpResponse, chosen: str) -> None:
    answer.set_cookie(LANGUAGE, chosen, **_only_here())


def _spoken(request: HttpRequest, stay: Stay | None, answer: Callable[[], HttpResponse]) -> HttpResponse:
    spoken = _language(request, stay)
    with translation.override(spoken):
        answered = answer()
    if request.POST.get("language") == spoken:
        _keep_language(answered, spoken)
    answered.headers["Content-Language"] = spoken
    patch_vary_headers(answered, ["Cookie", "Accept-Language"])
    return private(answered)


def _language(request: HttpRequest, stay: Stay | None) -> str:
    """What he chooses now, or chose before, else what is known of him, else his browser's."""
    for chosen in (request.POST.get("language"), request.COOKIES.get(LANGUAGE)):
        if chosen in languages.KNOWN:
            return str(chosen)
    guest = getattr(stay.booking, "guest", None) if stay else None
    known = languages.of_guest(guest) if guest else ""
    return known or _of_browser(request)


def _of_browser(request: HttpRequest) -> str:
    """The first of ours that it asks for; English where it asks for none."""
    for told in request.headers.get("Accept-Language", "").split(","):
        code = told.partition(";")[0].strip().lower().partition("-")[0]
        code = languages.ALIASES.get(code, code)
        if code in languages.KNOWN:
            return code
    return "en"
