"""Which meter hangs on which pitch. The only module that writes Installation.

Each verb locks the meter, checks, writes, and leaves an entry in the audit log, in one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from auditlog.models import LogEntry
from django.db import IntegrityError, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import F, Max, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from meters import notify
from meters.models import Installation, Meter, Pitch
from meters.people import Person

CLOCK_SLACK = timedelta(minutes=2)
LONGEST_REASON = 250


class InstallationError(Exception):
    """`code` is for machines, the text is for people."""

    code = "installation"

    def __init__(self, message: str | Promise) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


class AlreadyInstalled(InstallationError):
    code = "already_installed"


class NotInstalled(InstallationError):
    code = "not_installed"


class TooEarly(InstallationError):
    code = "too_early"


class InFuture(InstallationError):
    code = "in_future"


class SameMeter(InstallationError):
    code = "same_meter"


# --- verbs -----------------------------------------------------------------------------------------------------------


def install(meter: Meter, pitch: Pitch, at: datetime, by: Person, *, read_kwh: Decimal | None = None) -> Installation:
    """From `at` on the meter serves the pitch; where it hung before ends at the same moment. `read_kwh`: what its
    counter stood at, as somebody read it.

    Raises AlreadyInstalled, TooEarly or InFuture.
    """
    with transaction.atomic():
        Meter.objects.select_for_update().get(pk=meter.pk)
        check(meter, pitch, at)
        before = open_installation(meter)
        if before:
            _close(before, at, by)
        made = _open(meter, pitch, at, by, read_kwh)
        notify.touch()
    return made


def end(meter: Meter, at: datetime, by: Person, *, reason: str = "", read_kwh: Decimal | None = None) -> Installation:
    """At `at` the meter was taken off its pitch. `read_kwh`: what its counter stood at, as somebody read it.

    Raises NotInstalled, TooEarly or InFuture.
    """
    with transaction.atomic():
        Meter.objects.select_for_update().get(pk=meter.pk)
        ended = check_end(meter, at)
        ended.end_reason, ended.end_kwh = " ".join(reason.split())[:LONGEST_REASON], read_kwh
        _close(ended, at, by)
        notify.touch()
    return ended


def replace(
    old: Meter,
    new: Meter,
    at: datetime,
    by: Person,
    *,
    reason: str = "",
    old_kwh: Decimal | None = None,
    new_kwh: Decimal | None = None,
) -> Installation:
    """At `at` the meter `new` took the place of `old`. `old_kwh`, `new_kwh`: the counters as somebody read them.

    Raises NotInstalled, AlreadyInstalled, TooEarly, SameMeter …
    """
    if old.pk == new.pk:
        raise SameMeter(_("A meter cannot replace itself."))
    with transaction.atomic():
        list(Meter.objects.select_for_update().filter(pk__in=[old.pk, new.pk]).order_by("pk"))
        ended = end(old, at, by, reason=reason, read_kwh=old_kwh)
        return install(new, ended.pitch, at, by, read_kwh=new_kwh)


# --- questions -------------------------------------------------------------------------------------------------------


def open_installation(meter: Meter) -> Installation | None:
    """Where the meter hangs until further notice."""
    return Installation.objects.select_related("pitch").filter(meter=meter, period__upper_inf=True).first()


def successor(meter: Meter, since: datetime) -> Installation | None:
    """What first took this meter's place after `since`, at the moment when it was taken down; None: nothing did."""
    for ended in Installation.objects.filter(meter=meter, period__endswith__gt=since).order_by("period"):
        took = Installation.objects.filter(pitch=ended.pitch_id, period__startswith=ended.period.upper)
        if found := took.exclude(meter=meter).select_related("meter").first():
            return found
    return None


def free() -> QuerySet[Meter]:
    """The meters that hang nowhere and that an area still lists: the newest first, and those that hung somewhere (each
    with `taken_down_at`) last, the longest ago before what was taken down just now.
    """
    hanging = Installation.objects.filter(period__upper_inf=True).values("meter")
    present = Meter.objects.select_related("device__area").filter(device__removed_at=None)
    spare = present.exclude(pk__in=hanging).annotate(taken_down_at=Max("installations__period__endswith"))
    return spare.order_by(F("taken_down_at").asc(nulls_first=True), "-device__first_seen_at", "-pk")


def check(meter: Meter, pitch: Pitch, at: datetime) -> None:
    """Raise what would keep this meter from being installed on this pitch from `at` on."""
    before = open_installation(meter)
    if before and before.pitch_id == pitch.pk:
        raise AlreadyInstalled(format_lazy(_("{meter} hangs on {pitch} already."), meter=str(meter), pitch=str(pitch)))
    if before:
        _check_after(before, at)
    _check_now(at)
    if Installation.objects.filter(meter=meter, period__endswith__gt=at).exists():
        raise TooEarly(_("The meter hung somewhere else at that time."))


def check_end(meter: Meter, at: datetime) -> Installation:
    """Where the meter hangs; raise what would keep it from being taken down at `at`."""
    before = open_installation(meter)
    if before is None:
        raise NotInstalled(_("The meter hangs on no pitch."))
    _check_after(before, at)
    _check_now(at)
    return before


def suggest(name: str, numbers: Mapping[str, Iterable[str]]) -> str | None:
    """The number of the pitch that a meter of this name hangs on, by its name; None where that is not certain.

    `numbers`: each pitch's number with its other names. Case and spaces do not count; "101,2" is the second on 101.
    """
    pitches: dict[str, set[str]] = {}
    for number, aliases in numbers.items():
        for known in (number, *aliases):
            pitches.setdefault(plain(known), set()).add(number)
    whole = plain(name)
    for candidate in (whole, re.sub(r",\d{1,2}$", "", whole)):
        found = pitches.get(candidate, set())
        if found:
            return next(iter(found)) if len(found) == 1 else None
    return None


def plain(name: str) -> str:
    """A name as it is compared: case and spaces do not count."""
    return "".join(name.split()).casefold()


def suggestions(meters: Iterable[Meter]) -> dict[int, Pitch]:
    """For each of these meters (by id), loaded with its device: the pitch that its name suggests, if any does."""
    pitches = {pitch.number: pitch for pitch in Pitch.objects.all()}
    names = {number: pitch.aliases for number, pitch in pitches.items()}
    found = {meter.pk: suggest(meter.device.friendly_name, names) for meter in meters}
    return {meter: pitches[number] for meter, number in found.items() if number}


# --- inside ----------------------------------------------------------------------------------------------------------


def _check_after(before: Installation, at: datetime) -> None:
    if at <= before.period.lower:
        since = timezone.localtime(before.period.lower)
        raise TooEarly(
            format_lazy(
                _("The meter hangs on {pitch} only since {since}."),
                pitch=str(before.pitch),
                since=f"{since:%Y-%m-%d %H:%M}",
            )
        )


def _check_now(at: datetime) -> None:
    if at > timezone.now() + CLOCK_SLACK:
        raise InFuture(_("That time has not come yet."))


def _open(meter: Meter, pitch: Pitch, at: datetime, by: Person, read_kwh: Decimal | None) -> Installation:
    try:
        with transaction.atomic():
            period = DateTimeTZRange(at, None)
            made = Installation.objects.create(meter=meter, pitch=pitch, period=period, start_kwh=read_kwh)
    except IntegrityError as overlap:
        raise TooEarly(_("The meter hung somewhere else at that time.")) from overlap
    told = {"pitch": str(pitch), "from": at.isoformat()} | _said(start_kwh=read_kwh)
    _note(made, LogEntry.Action.CREATE, told, by)
    return made


def _close(installation: Installation, at: datetime, by: Person) -> None:
    installation.period = DateTimeTZRange(installation.period.lower, at)
    installation.save(update_fields=["period", "end_kwh", "end_reason"])
    told = {"until": at.isoformat()} | _said(end_kwh=installation.end_kwh, end_reason=installation.end_reason)
    _note(installation, LogEntry.Action.UPDATE, told, by)


def _said(**facts: Decimal | str | None) -> dict[str, str]:
    return {name: str(fact) for name, fact in facts.items() if fact not in (None, "")}


def _note(installation: Installation, action: int, told: Mapping[str, str], by: Person) -> None:
    changes = {name: ["None", fact] for name, fact in told.items()}
    LogEntry.objects.log_create(installation, action=action, changes=changes, actor=by)
