"""Open commands with all that sending them takes, in one query. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from meters import online
from meters.commands import queue
from meters.commands.follow import Progress
from meters.models import Command

FIELDS = (
    *("id", "meter_id", "state", "automatic", "status", "by_name", "area_id", "attempts", "expires_at"),
    *("not_before", "claimed_at", "acknowledged_at", "asked_at", "read_state", "confirmed_at", "load_asked_at"),
    *("meter__device__ieee_address", "meter__device__friendly_name", "meter__device__relay_readable"),
    "meter__device__area__base_topic",
    *("meter__device__area__commands_per_s", "meter__device__area__most_unanswered"),
    *online.fact_fields("meter__"),
)


@dataclass(frozen=True, slots=True)
class Errand:
    """An open command with all that sending it takes."""

    id: int
    meter_id: int
    state: bool
    automatic: bool
    status: str
    by_name: bool
    sent_area_id: int | None
    attempts: int
    expires_at: datetime
    not_before: datetime | None
    claimed_at: datetime | None
    acknowledged_at: datetime | None
    asked_at: datetime | None
    read_state: bool | None
    confirmed_at: datetime | None
    load_asked_at: datetime | None
    ieee_address: str
    name: str
    is_readable: bool
    base_topic: str | None
    per_s: float
    most_unanswered: int
    facts: online.Facts

    @property
    def area_id(self) -> int:
        """The area that hears the meter now."""
        return self.facts.area_id or 0

    @property
    def is_waiting(self) -> bool:
        return self.claimed_at is None and self.status == Command.Status.QUEUED

    @property
    def is_unanswered(self) -> bool:
        return self.claimed_at is not None and self.acknowledged_at is None and self.asked_at is None

    def is_due(self, link: online.Link, now: datetime) -> bool:
        """Whether it may go now: its time has come and not passed, and the meter is online."""
        if (self.not_before and self.not_before > now) or self.expires_at <= now:
            return False
        return online.judge(self.facts, link, now).is_online

    def topic(self, kind: str) -> str:
        return f"{self.base_topic}/{self.name if self.by_name else self.ieee_address}/{kind}"

    def progress(self) -> Progress:
        return Progress(
            status=self.status,
            state=self.state,
            not_before=self.not_before,
            claimed_at=self.claimed_at,
            acknowledged_at=self.acknowledged_at,
            asked_at=self.asked_at,
            read_state=self.read_state,
            confirmed_at=self.confirmed_at,
            load_asked_at=self.load_asked_at,
            is_elsewhere=self.claimed_at is not None and self.sent_area_id != self.facts.area_id,
            is_readable=self.is_readable,
        )


def open_errands(now: datetime) -> list[Errand]:
    """Open commands, and OFFs whose load is not yet known; the oldest first."""
    loaded = Q(status=Command.Status.CONFIRMED, state=False, load="", finished_at__gt=now - queue.LATE)
    found = Command.objects.filter(Q(finished_at=None) | loaded).order_by("pk")
    cut = len(FIELDS) - len(online.Facts._fields)
    return [Errand(*(*row[:cut], online.Facts(*row[cut:]))) for row in found.values_list(*FIELDS)]
