"""A month of the campsite to take along: the use of all meters by hour or day, and the ledger of its stays."""

from __future__ import annotations

import re
from datetime import date, timedelta

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from bookings import stay_exports
from meters import exports
from meters.admin.pages import asked_format
from meters.exports import What
from meters.files.answers import download
from meters.files.tables import Table

NEEDS = ("bookings.view_stay", "meters.view_meter")
LEDGER = "ledger"
OFFERED: dict[str, tuple[Promise, Promise]] = {
    LEDGER: (
        _("The stays' ledger"),
        _(
            "Which meter served which stay from when to when, the energy at both ends, how sure it is, and what staff "
            "corrected. Each stay that was here in the month, whole. Bookings are told by number, without names."
        ),
    ),
    What.DAYS: (_("Use by day"), _("What each meter used a day, and on which pitch it hung.")),
    What.HOURS: (_("Use by hour"), _("The same by the hour, with the least and most watts, volts and amperes.")),
}


def page(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponse:
    """Of ?month=2026-06, else of this one."""
    month, today = _asked(request), timezone.localdate()
    _first, last = exports.month(month)
    following = last + timedelta(days=1)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Data to take along"),
        "opts": model_admin.opts,
        "month": month,
        "earlier": month - timedelta(days=1),
        "later": following if following <= today else None,
        "is_running": last >= today,
        "offered": [(name, *words) for name, words in OFFERED.items()],
    }
    return TemplateResponse(request, "admin/bookings/taken_along.html", context)


def export(model_admin: ModelAdmin, request: HttpRequest) -> HttpResponseBase:
    """A file of ?what= of ?month=, as ?format= csv or parquet."""
    month, what = _asked(request), request.GET.get("what", "")
    if what not in OFFERED:
        raise Http404
    return download(_table(what, month), asked_format(request))


def _table(what: str, month: date) -> Table:
    days = exports.month(month)
    return stay_exports.of_days(*days) if what == LEDGER else exports.of_all(What(what), *days)


def _asked(request: HttpRequest) -> date:
    """The first day of the month that is asked for; of this one where that is none, or still to come."""
    if not request.user.has_perms(NEEDS):
        raise PermissionDenied
    today = timezone.localdate()
    match = re.fullmatch(r"(20\d\d)-(0[1-9]|1[0-2])", request.GET.get("month", ""))
    return min(date(int(match[1]), int(match[2]), 1) if match else today, today).replace(day=1)
