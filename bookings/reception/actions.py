"""What reception does, over HTTP: each action checks the permission, reads its form, and calls the verb that does it.

A refusal is told in words on the page that it came from, with what was typed still in its form. Every action is a POST.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from bookings import accounts, guests, ledger, links, reports, rooms, stays
from bookings.models import Booking, PackageNotice, ProblemReport, Room, Stay
from bookings.reception import forms as told
from bookings.reception import typed
from bookings.reception.forms import pitch_of
from meters import commands, installations
from meters.models import Source

REFUSALS = (
    *(stays.StayError, ledger.LedgerError, accounts.AccountError),
    *(commands.SwitchingError, installations.InstallationError, reports.ReportError),
)
BUSY = {"40001", "40P01", "55P03"}
"""PostgreSQL's codes of a lock that another transaction holds: serialization failure, deadlock, lock not available."""
Said = str | Promise
Run = Callable[[Any, forms.Form, User, datetime], Said]


@dataclass(frozen=True, slots=True)
class Verb:
    """Who may do it, what is to be typed, and how it is done; `run` returns what is told afterwards. What is not easily
    undone is asked once more: `asks` says what follows.
    """

    permission: str
    form: type[forms.Form]
    run: Run
    asks: Promise | None = None


# --- of a stay -------------------------------------------------------------------------------------------------------


def _move(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    stays.move(stay, pitch_of(form), by, now)
    return gettext("The guest is on pitch %(pitch)s now.") % {"pitch": pitch_of(form)}


def _add(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    line = stays.choose_outlet(stay, form.cleaned_data["number"], by, now)
    return gettext("The guest has outlet %(outlet)s.") % {"outlet": line.meter}


def _take(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    stays.take_meter(stay, form.cleaned_data["meter"], by, now)
    return gettext("The guest has outlet %(outlet)s no more.") % {"outlet": form.cleaned_data["meter"]}


def _switch(state: bool) -> Run:
    def run(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
        said = form.cleaned_data
        commands.want(said["meter"], Source.STAFF, state, said["reason"], by, said["until"])
        text = gettext("%(outlet)s is to be on.") if state else gettext("%(outlet)s is to be off.")
        return text % {"outlet": said["meter"]}

    return run


def _let_go(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    ended = commands.end(form.cleaned_data["meter"], Source.STAFF, by, form.cleaned_data["reason"])
    return _("The booking decides again.") if ended else _("Nobody had switched it by hand.")


def _exchange(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    said = form.cleaned_data
    stays.exchange(stay, said["meter"], said["new"], by, said["reason"], now)
    return gettext("%(new)s has taken the place of %(old)s.") % {"new": said["new"], "old": said["meter"]}


def _late(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    until = form.cleaned_data["until"]
    stays.stay_late(stay, until, by, now)
    return _("The guest may stay longer.") if until else _("The late check-out was taken back.")


def _check_out(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    stays.check_out(stay, by, now)
    return _("The guest is checked out here. Check out in Sirvoy, too.")


def _reopen(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    stays.reopen(stay, by, now)
    return _("The check-out was taken back.")


def _correct(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    made = ledger.correct(stay, form.cleaned_data["kwh"], form.cleaned_data["reason"], by)
    return gettext("Corrected by %(kwh)s kWh.") % {"kwh": number_format(made.energy_kwh.normalize())}


def _revoke(stay: Stay, form: forms.Form, by: User, now: datetime) -> Said:
    done = links.revoke_all(stay, by, now)
    text = ngettext("%(count)d link leads nowhere now.", "%(count)d links lead nowhere now.", done)
    return text % {"count": done}


TAKES = _("%(outlet)s does not count for this guest any more, and may be switched off.")
CUTS = _("The power of %(outlet)s goes off now.")
EXCHANGES = _("Another meter hangs in the place of %(outlet)s from now on.")
CLOSES = _("The guest has left: the kWh are closed now, and the power goes off.")
REVOKES = _("All links of this stay that were printed lead nowhere from now on.")
OF_STAY = {
    "move": Verb("bookings.change_stay", told.PitchForm, _move),
    "add": Verb("bookings.change_stay", told.OutletForm, _add),
    "take": Verb("bookings.change_stay", told.MeterForm, _take, TAKES),
    "on": Verb("meters.switch_meter", told.SwitchForm, _switch(True)),
    "off": Verb("meters.switch_meter", told.SwitchForm, _switch(False), CUTS),
    "let-go": Verb("meters.switch_meter", told.ReasonForm, _let_go),
    "exchange": Verb("bookings.change_stay", told.ExchangeForm, _exchange, EXCHANGES),
    "late": Verb("bookings.change_stay", told.LateForm, _late),
    "check-out": Verb("bookings.change_stay", told.Nothing, _check_out, CLOSES),
    "reopen": Verb("bookings.change_stay", told.Nothing, _reopen),
    "correct": Verb("bookings.add_correction", told.CorrectionForm, _correct),
    "revoke": Verb("bookings.add_portallink", told.Nothing, _revoke, REVOKES),
}


# --- of a booking ----------------------------------------------------------------------------------------------------


def _sell(booking: Booking, form: forms.Form, by: User, now: datetime) -> Said:
    said = form.cleaned_data
    made = accounts.sell(booking, said["kwh"], said["price"], by, said["note"], now)
    return gettext("%(kwh)s kWh were sold.") % {"kwh": made.energy_kwh}


def _charge(booking: Booking, form: forms.Form, by: User, now: datetime) -> Said:
    accounts.charge(booking, by, form.cleaned_data["expected"])
    return gettext("Booking %(number)s was charged.") % {"number": booking}


def _take_back(booking: Booking, form: forms.Form, by: User, now: datetime) -> Said:
    accounts.take_back(booking, by)
    return gettext("Booking %(number)s: the charge was taken back.") % {"number": booking}


def _speaks(booking: Booking, form: forms.Form, by: User, now: datetime) -> Said:
    guests.speaks(booking, form.cleaned_data["language"], by)
    return _("The language was noted.")


OF_BOOKING = {
    "sell": Verb("bookings.add_packagesale", told.PackageForm, _sell),
    "charge": Verb("bookings.add_charge", told.ChargeForm, _charge),
    "take-back": Verb("bookings.add_charge", told.Nothing, _take_back, _("Was the charge taken out of Sirvoy again?")),
    "language": Verb("bookings.change_guest", told.LanguageForm, _speaks),
}


# --- of a room, of a notice, and of a report -------------------------------------------------------------------------


def _assign(room: Room, form: forms.Form, by: User, now: datetime) -> Said:
    rooms.assign(room, pitch_of(form), by, now)
    return gettext("Room “%(room)s” is pitch %(pitch)s.") % {"room": room, "pitch": pitch_of(form)}


def _tell(notice: PackageNotice, form: forms.Form, by: User, now: datetime) -> Said:
    accounts.told(notice, by, now)
    return _("It was noted that the guest was told.")


def _solve(report: ProblemReport, form: forms.Form, by: User, now: datetime) -> Said:
    reports.solve(report, by, form.cleaned_data["note"], now)
    return _("It was noted as solved; the guest reads it on his page.")


ASSIGN = Verb("bookings.change_room", told.PitchForm, _assign)
TELL = Verb("bookings.change_packagenotice", told.Nothing, _tell)
SOLVE = Verb("bookings.change_problemreport", told.NoteForm, _solve)


# --- views -----------------------------------------------------------------------------------------------------------


@require_POST
def of_stay(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    def act(request: HttpRequest) -> HttpResponse:
        found = _verb(OF_STAY, verb)
        _allow(request, found)
        stay = get_object_or_404(Stay.objects.select_related("booking", "pitch"), pk=pk)
        return _act(request, found, stay, _sheet(stay.booking))

    return guarded(act)(request)


@require_POST
def of_booking(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    def act(request: HttpRequest) -> HttpResponse:
        found = _verb(OF_BOOKING, verb)
        _allow(request, found)
        booking = get_object_or_404(Booking, pk=pk)
        return _act(request, found, booking, _home() if "home" in request.POST else _sheet(booking))

    return guarded(act)(request)


@require_POST
def of_room(request: HttpRequest, pk: int) -> HttpResponse:
    def act(request: HttpRequest) -> HttpResponse:
        _allow(request, ASSIGN)
        return _act(request, ASSIGN, get_object_or_404(Room, pk=pk), _home())

    return guarded(act)(request)


@require_POST
def of_notice(request: HttpRequest, pk: int) -> HttpResponse:
    def act(request: HttpRequest) -> HttpResponse:
        _allow(request, TELL)
        notice = get_object_or_404(PackageNotice.objects.select_related("booking"), pk=pk)
        return _act(request, TELL, notice, _home())

    return guarded(act)(request)


@require_POST
def of_report(request: HttpRequest, pk: int) -> HttpResponse:
    def act(request: HttpRequest) -> HttpResponse:
        _allow(request, SOLVE)
        report = get_object_or_404(ProblemReport.objects.select_related("stay__booking"), pk=pk)
        return _act(request, SOLVE, report, _home() if "home" in request.POST else _sheet(report.stay.booking))

    return guarded(act)(request)


def guarded(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """For staff alone: others are led to the log-in page."""
    guarded_view: Callable[[HttpRequest], HttpResponse] = admin.site.admin_view(view)
    return guarded_view


# --- inside ----------------------------------------------------------------------------------------------------------


def _verb(verbs: dict[str, Verb], name: str) -> Verb:
    if name not in verbs:
        raise Http404
    return verbs[name]


def _allow(request: HttpRequest, verb: Verb) -> None:
    if not request.user.has_perm(verb.permission):
        raise PermissionDenied


def _act(request: HttpRequest, verb: Verb, subject: Any, then: str) -> HttpResponse:
    form = verb.form(request.POST)
    by = cast(User, request.user)
    refused = _wrong(form)
    if not refused and verb.asks and "sure" not in request.POST:
        return _ask(request, str(verb.asks) % {"outlet": form.cleaned_data.get("meter")}, then)
    if not refused:
        try:
            messages.success(request, str(verb.run(subject, form, by, timezone.now())))
        except REFUSALS as error:
            refused = [_refusal(error)]
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in BUSY:
                raise
            refused = [gettext("Somebody else is changing this at the moment. Nothing was done: try once more.")]
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


def _wrong(form: forms.Form) -> list[str]:
    """What is wrong with what was typed, field by field."""
    labels = {name: field.label for name, field in form.fields.items()}
    return [f"{labels.get(name) or name}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()]


def _refusal(error: Exception) -> str:
    """With the guest who stands in the way, where there is one: staff may know."""
    other = getattr(error, "stay", None)
    if isinstance(other, Stay):
        return gettext("%(why)s It is booking %(number)s.") % {"why": error, "number": other.booking}
    return str(error)


def _sheet(booking: Booking) -> str:
    return reverse("reception_booking", args=[booking.sirvoy_id])


def _home() -> str:
    return reverse("reception")
