"""What is kept, for how long, and why: the one table of it. Staff read it in the admin, docs/retention.md explains it.

How long is a setting each, named in `setting`; its unit is in its name. What has no verb here is forgotten by somebody
else, who proves more first, or by nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Min, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_q.models import Failure

from bookings import inbox
from bookings.models import Booking, Charge, WebhookEvent
from meters import areas, clock, commands, exports, online, readings, rejected, requests
from meters.models import (
    AreaHealth,
    BridgeRequest,
    Command,
    CounterEpoch,
    DailyUsage,
    HourlyUsage,
    OnlineSpan,
    QuarantinedReading,
    RejectedMessage,
)
from monitoring import incidents, looks
from monitoring.models import BackupRun, Incident, Look
from monitoring.retention import others

DAY, YEAR = timedelta(days=1), timedelta(days=366)
UNITS = {"H": timedelta(hours=1), "DAYS": DAY, "YEARS": YEAR}
"""By the last word of a setting's name."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One kind of data. `setting` None: kept for ever; `prune` None: this job does not forget it; `oldest`: when the
    oldest that is there was made.
    """

    slug: str
    what: Promise
    why: Promise
    oldest: Callable[[], datetime | None]
    setting: str | None = None
    prune: Callable[[datetime], int] | None = None

    @property
    def lasts(self) -> timedelta | None:
        """For how long; None: for ever."""
        if self.setting is None:
            return None
        kept: float = getattr(settings, self.setting)
        return kept * UNITS[self.setting.rpartition("_")[2]]


def _first(rows: Callable[[], QuerySet[Any]], field: str) -> Callable[[], datetime | None]:
    """The earliest time of this field."""

    def oldest() -> datetime | None:
        found: datetime | None = rows().aggregate(first=Min(field))["first"]
        return found

    return oldest


def _first_day_of_readings() -> datetime | None:
    day = exports.readings_since()
    return datetime.combine(day, time(), UTC) if day else None


def _first_day_of_use() -> datetime | None:
    day = DailyUsage.objects.aggregate(first=Min("day"))["first"]
    return clock.moment(day) if day else None


def _first_guest() -> datetime | None:
    """When the guest who left first of all that are still known by name left."""
    day = Booking.objects.filter(guest__isnull=False, guest__erased_at=None).aggregate(first=Min("departure"))["first"]
    return datetime.combine(day, time(), UTC) if day else None


TABLE: tuple[Kept, ...] = (
    # --- what was measured ---
    Kept(
        "readings",
        _("Raw readings"),
        _("Every report of every meter. A day goes once it is proven that the use by hour holds all of it."),
        _first_day_of_readings,
        "READINGS_KEPT_DAYS",
    ),
    Kept(
        "hours",
        _("Use by hour"),
        _("What stays of the readings: for charts, accounts and guests who ask. It goes once its day holds all of it."),
        _first(HourlyUsage.objects.all, "hour"),
        "HOURS_KEPT_YEARS",
    ),
    Kept(
        "days",
        _("Use by day"),
        _("A line a meter and day, to compare the years."),
        _first_day_of_use,
    ),
    Kept(
        "counters",
        _("Counters' epochs and the energy at check-in and check-out"),
        _("What the kWh of each stay are computed of."),
        _first(CounterEpoch.objects.all, "first_at"),
    ),
    Kept(
        "quarantined",
        _("Counter values that were put aside"),
        _("What a meter told and was not billed: for who doubts a bill."),
        _first(QuarantinedReading.objects.all, "created_at"),
        "QUARANTINED_KEPT_DAYS",
        readings.prune_quarantined,
    ),
    Kept(
        "online",
        _("When each meter was online, and when somebody listened"),
        _("To see which meters were gone in a season. Each meter's last time stays: it tells why it is gone."),
        _first(OnlineSpan.objects.all, "since"),
        "ONLINE_KEPT_DAYS",
        online.prune,
    ),
    # --- guests and accounts ---
    Kept(
        "guests",
        _("Guests' names, addresses and messages"),
        _("Nobody may keep persons longer than needed (GDPR). Counted from the departure; dates and kWh stay."),
        _first_guest,
        "GUESTS_KEPT_DAYS",
    ),
    Kept(
        "accounts",
        _("Stays, kWh, packages, charges and corrections"),
        _("The accounts: Danish law wants them for five years after the financial year. Without names, they may stay."),
        _first(Charge.objects.all, "at"),
    ),
    Kept(
        "audit_of_money",
        _("Audit log of bookings, money and installations"),
        _("It explains the accounts: five years after the financial year, so six."),
        _first(others.audit_of_money, "timestamp"),
        "MONEY_AUDIT_KEPT_YEARS",
        others.prune_audit_of_money,
    ),
    Kept(
        "audit",
        _("Audit log of all else"),
        _("Who of the staff switched or changed what: long enough to look into a complaint of the last season."),
        _first(others.audit_else, "timestamp"),
        "AUDIT_KEPT_DAYS",
        others.prune_audit,
    ),
    Kept(
        "events",
        _("Calls of Sirvoy"),
        _("That it called, and what came of it. What it said of a guest is erased with the guest."),
        _first(WebhookEvent.objects.all, "received_at"),
        "EVENTS_KEPT_DAYS",
        inbox.prune,
    ),
    # --- technique ---
    Kept(
        "commands",
        _("Commands, orders and wishes"),
        _("What was switched, step by step. Who asked for it stands in the audit log for longer."),
        _first(Command.objects.all, "created_at"),
        "COMMANDS_KEPT_DAYS",
        commands.prune,
    ),
    Kept(
        "requests",
        _("Requests to Zigbee2MQTT"),
        _("What was asked of a Zigbee2MQTT, and its answer."),
        _first(BridgeRequest.objects.all, "created_at"),
        "COMMANDS_KEPT_DAYS",
        requests.prune,
    ),
    Kept(
        "incidents",
        _("Incidents, their notes and alerts"),
        _("To see what comes back each season, and the availability of past months."),
        _first(Incident.objects.all, "since"),
        "INCIDENTS_KEPT_DAYS",
        incidents.prune,
    ),
    Kept(
        "looks",
        _("When the site was looked at"),
        _("Without it nothing is known of the availability of a past month."),
        _first(Look.objects.all, "since"),
        "INCIDENTS_KEPT_DAYS",
        looks.prune,
    ),
    Kept(
        "health",
        _("Health reports of Zigbee2MQTT"),
        _("For the charts of an area, and to find what grew slowly."),
        _first(AreaHealth.objects.all, "generated_at"),
        "HEALTH_KEPT_DAYS",
        areas.prune_health,
    ),
    Kept(
        "rejected",
        _("Messages that could not be used"),
        _("To find who sends them. Counted from when one came last."),
        _first(RejectedMessage.objects.all, "last_at"),
        "REJECTED_KEPT_DAYS",
        rejected.prune,
    ),
    Kept(
        "failures",
        _("Background jobs that failed"),
        _("Why a job failed. Of those that went well the newest are kept, an hour's."),
        _first(Failure.objects.all, "stopped"),
        "FAILURES_KEPT_DAYS",
        others.prune_failures,
    ),
    Kept(
        "sessions",
        _("Log-ins of staff"),
        _("Who has not come back for so long must log in anew."),
        others.oldest_session,
        "LOGIN_LASTS_H",
        others.prune_sessions,
    ),
    Kept(
        "tries",
        _("Who logged in, and wrong tries"),
        _("When and from where, to find who got in with somebody else's password. Passwords and codes are not kept."),
        others.oldest_try,
        "LOGINS_KEPT_DAYS",
        others.prune_tries,
    ),
    Kept(
        "backups",
        _("When backups were made"),
        _("A line each. The backups themselves are kept by the day, week and month on each target."),
        _first(BackupRun.objects.all, "started_at"),
    ),
)
