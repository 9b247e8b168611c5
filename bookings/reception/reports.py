"""What guests reported, as staff read it: with what was known of their outlets then, in words. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import TextChoices
from django.utils import formats, timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from bookings import reports
from bookings.models import Booking, ProblemReport
from meters import online
from meters.models import Command, Source, Want

MOST = 30
"""So many stand on the first page; of more the admin's list tells."""


@dataclass(frozen=True, slots=True)
class Then:
    """An outlet as it was known when its guest reported. `told`: what it had said, each with its time; `silence`: why
    nothing was heard of it, empty where it was online; `meant`: what was wanted and tried.
    """

    outlet: str
    serial: str
    relay: bool | None
    relay_at: str
    told: list[str]
    silence: str
    meant: list[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A report, and what was known then."""

    report: ProblemReport
    outlets: list[Then]


@dataclass(frozen=True, slots=True)
class Reports:
    """What is still to be solved; `more`: so many that are not shown."""

    shown: list[Shown]
    more: int

    @property
    def count(self) -> int:
        return len(self.shown) + self.more


def still_open() -> Reports:
    """Of all guests, who has waited longest first; one query."""
    found = list(reports.open_reports())
    return Reports([show(each) for each in found[:MOST]], max(0, len(found) - MOST))


def of_booking(booking: Booking) -> list[Shown]:
    """All of this booking, the open ones first; one query."""
    return [show(each) for each in reports.of_booking(booking)]


def show(report: ProblemReport) -> Shown:
    return Shown(report, [_then(each, report.made_at) for each in report.state])


# --- inside ----------------------------------------------------------------------------------------------------------


def _then(known: Mapping[str, Any], made_at: datetime) -> Then:
    """`known`: a bookings.reports.Known, as it was kept."""
    is_heard = known["online"] == online.Status.ONLINE
    return Then(
        outlet=known["outlet"],
        serial=known["serial"],
        relay=known["relay"],
        relay_at=_at(known["relay_at"], made_at),
        told=list(_told(known, made_at)),
        silence="" if is_heard else str(online.REASONS.get(known["reason"], known["reason"])),
        meant=list(_meant(known, made_at)),
    )


def _told(known: Mapping[str, Any], made_at: datetime) -> Iterator[str]:
    if known["power_w"] is not None:
        power = formats.number_format(known["power_w"], 0, force_grouping=True)
        yield gettext("%(power)s W (%(moment)s)") % {"power": power, "moment": _at(known["power_at"], made_at)}
    if known["counter_kwh"] is not None:
        kwh = formats.number_format(Decimal(known["counter_kwh"]), 1, force_grouping=True)
        yield gettext("counter %(kwh)s kWh (%(moment)s)") % {"kwh": kwh, "moment": _at(known["counter_at"], made_at)}
    if known["heard_at"]:
        yield gettext("heard %(moment)s") % {"moment": _at(known["heard_at"], made_at)}


def _meant(known: Mapping[str, Any], made_at: datetime) -> Iterator[str]:
    if known["wanted"] is None:
        yield gettext("not managed")
    else:
        wanted = gettext("should be on") if known["wanted"] else gettext("should be off")
        who = " · ".join(filter(None, (_word(Source, known["source"]), known["why"])))
        yield f"{wanted}: {who}"
    if known["hold"]:
        yield _word(Want.Hold, known["hold"])
    if known["command"] is not None:
        yield _command(known, made_at)


def _command(known: Mapping[str, Any], made_at: datetime) -> str:
    """The newest command, and what became of it."""
    text = gettext("switched on %(moment)s: %(outcome)s")
    if not known["command"]:
        text = gettext("switched off %(moment)s: %(outcome)s")
    outcome = _word(Command.Status, known["command_status"])
    if known["command_failure"]:
        outcome = f"{outcome}, {_word(Command.Failure, known['command_failure'])}"
    return text % {"moment": _at(known["command_at"], made_at), "outcome": outcome}


def _word(choices: type[TextChoices], value: str) -> str:
    """What was kept may be older than the words that there are today."""
    return str(dict(choices.choices).get(value, value))


def _at(moment: str | None, made_at: datetime) -> str:
    """By the campsite's clock, with the day where it was another than that of the report."""
    at = parse_datetime(moment) if moment else None
    if at is None:
        return ""
    local, made = timezone.localtime(at), timezone.localtime(made_at)
    is_same_day = local.date() == made.date()
    return formats.time_format(local) if is_same_day else formats.date_format(local, "SHORT_DATETIME_FORMAT")
