"""What reception can do: who may, what is typed for it, and which verb of stays, ledger, accounts and the like does it.
Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.forms import Form
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from bookings import accounts, guests, ledger, links, reports, stays
from bookings.models import Booking, PackageNotice, ProblemReport, Room, Stay
from bookings.reception import forms
from meters import commands, installations
from meters.models import Source

REFUSALS = (
    *(stays.StayError, ledger.LedgerError, accounts.AccountError),
    *(commands.SwitchingError, installations.InstallationError, reports.ReportError),
)
"""What a verb raises where it cannot be done; its text is for staff."""
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
    "take_along": "meters.view_meter",
}
Typed = dict[str, Any]
Said = str | Promise


@dataclass(frozen=True, slots=True)
class Verb:
    """`may`: whose permission it needs, by its name in MAY; `run` does it with what was typed, and returns what is told
    afterwards. What is not easily undone is asked once more: `asks` says what follows.
    """

    may: str
    form: type[Form]
    run: Callable[[Any, Typed, User, datetime], Said]
    asks: Promise | None = None


# --- of a stay -------------------------------------------------------------------------------------------------------


def _move(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    stays.move(stay, typed["pitch"], by, now)
    return gettext("The guest is on pitch %(pitch)s now.") % typed


def _add(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    line = stays.choose_outlet(stay, typed["number"], by, now)
    return gettext("The guest has outlet %(outlet)s.") % {"outlet": line.meter}


def _take(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    stays.take_meter(stay, typed["meter"], by, now)
    return gettext("The guest has outlet %(outlet)s no more.") % {"outlet": typed["meter"]}


def _on(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    commands.want(typed["meter"], Source.STAFF, True, typed["reason"], by, typed["until"])
    return gettext("%(outlet)s is to be on.") % {"outlet": typed["meter"]}


def _off(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    commands.want(typed["meter"], Source.STAFF, False, typed["reason"], by, typed["until"])
    return gettext("%(outlet)s is to be off.") % {"outlet": typed["meter"]}


def _let_go(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    ended = commands.end(typed["meter"], Source.STAFF, by, typed["reason"])
    return _("The booking decides again.") if ended else _("Nobody had switched it by hand.")


def _exchange(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    stays.exchange(stay, typed["meter"], typed["new"], by, typed["reason"], now)
    return gettext("%(new)s has taken the place of %(old)s.") % {"new": typed["new"], "old": typed["meter"]}


def _late(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    stays.stay_late(stay, typed["until"], by, now)
    return _("The guest may stay longer.") if typed["until"] else _("The late check-out was taken back.")


def _check_out(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    stays.check_out(stay, by, now)
    return _("The guest is checked out here. Check out in Sirvoy, too.")


def _reopen(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    stays.reopen(stay, by, now)
    return _("The check-out was taken back.")


def _correct(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    made = ledger.correct(stay, typed["kwh"], typed["reason"], by)
    return gettext("Corrected by %(kwh)s kWh.") % {"kwh": number_format(made.energy_kwh.normalize())}


def _revoke(stay: Stay, typed: Typed, by: User, now: datetime) -> Said:
    done = links.revoke_all(stay, by, now)
    text = ngettext("%(count)d link leads nowhere now.", "%(count)d links lead nowhere now.", done)
    return text % {"count": done}


TAKES = _("%(outlet)s does not count for this guest any more, and may be switched off.")
CUTS = _("The power of %(outlet)s goes off now.")
EXCHANGES = _("Another meter hangs in the place of %(outlet)s from now on.")
CLOSES = _("The guest has left: the kWh are closed now, and the power goes off.")
REVOKES = _("All links of this stay that were printed lead nowhere from now on.")
OF_STAY = {
    "move": Verb("change", forms.PitchForm, _move),
    "add": Verb("change", forms.OutletForm, _add),
    "take": Verb("change", forms.MeterForm, _take, TAKES),
    "on": Verb("switch", forms.SwitchForm, _on),
    "off": Verb("switch", forms.SwitchForm, _off, CUTS),
    "let-go": Verb("switch", forms.ReasonForm, _let_go),
    "exchange": Verb("change", forms.ExchangeForm, _exchange, EXCHANGES),
    "late": Verb("change", forms.LateForm, _late),
    "check-out": Verb("change", Form, _check_out, CLOSES),
    "reopen": Verb("change", Form, _reopen),
    "correct": Verb("correct", forms.CorrectionForm, _correct),
    "revoke": Verb("link", Form, _revoke, REVOKES),
}


# --- of a booking ----------------------------------------------------------------------------------------------------


def _sell(booking: Booking, typed: Typed, by: User, now: datetime) -> Said:
    made = accounts.sell(booking, typed["kwh"], typed["price"], by, typed["note"], now)
    return gettext("%(kwh)s kWh were sold.") % {"kwh": made.energy_kwh}


def _charge(booking: Booking, typed: Typed, by: User, now: datetime) -> Said:
    accounts.charge(booking, by, typed["expected"])
    return gettext("Booking %(number)s was charged.") % {"number": booking}


def _take_back(booking: Booking, typed: Typed, by: User, now: datetime) -> Said:
    accounts.take_back(booking, by)
    return gettext("Booking %(number)s: the charge was taken back.") % {"number": booking}


def _speaks(booking: Booking, typed: Typed, by: User, now: datetime) -> Said:
    guests.speaks(booking, typed["language"], by)
    return _("The language was noted.")


OF_BOOKING = {
    "sell": Verb("sell", forms.PackageForm, _sell),
    "charge": Verb("charge", forms.ChargeForm, _charge),
    "take-back": Verb("charge", Form, _take_back, _("Was the charge taken out of Sirvoy again?")),
    "language": Verb("speak", forms.LanguageForm, _speaks),
}


# --- of a room, of a notice, and of a report -------------------------------------------------------------------------


def _assign(room: Room, typed: Typed, by: User, now: datetime) -> Said:
    stays.assign_room(room, typed["pitch"], by, now)
    return gettext("Room “%(room)s” is pitch %(pitch)s.") % {"room": room, "pitch": typed["pitch"]}


def _tell(notice: PackageNotice, typed: Typed, by: User, now: datetime) -> Said:
    accounts.told(notice, by, now)
    return _("It was noted that the guest was told.")


def _solve(report: ProblemReport, typed: Typed, by: User, now: datetime) -> Said:
    reports.solve(report, by, typed["note"], now)
    return _("It was noted as solved; the guest reads it on his page.")


ASSIGN = Verb("assign", forms.PitchForm, _assign)
TELL = Verb("tell", Form, _tell)
SOLVE = Verb("solve", forms.NoteForm, _solve)
