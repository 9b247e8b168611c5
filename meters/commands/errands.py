"""Open commands with all that sending them takes, in one query. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from meters import online, shards
from meters.commands import queue
from meters.commands.follow import Progress
from meters.models import Command

FIELDS = (
    *("status", "state", "not_before", "claimed_at", "acknowledged_at", "asked_at", "read_state", "confirmed_at"),
    *("load_asked_at", "meter__device__relay_readable", "area_id", "meter__device__area_id"),
    *("id", "meter_id", "automatic", "by_name", "attempts", "expires_at"),
    *("meter__device__ieee_address", "meter__device__friendly_name", "meter__device__area__base_topic"),
    *("meter__device__area__commands_per_s", "meter__device__area__most_unanswered"),
    *online.fact_fields("meter__"),
)


@dataclass(frozen=True, slots=True)
class Errand(Progress):
    """An open command with all that sending it takes."""

    id: int
    meter_id: int
    automatic: bool
    by_name: bool
    attempts: int
    expires_at: datetime
    ieee_address: str
    name: str
    base_topic: str | None
    per_s: float
    most_unanswered: int
    facts: online.Facts

    @property
    def area_id(self) -> int:
        """The area that hears the meter now."""
        return self.heard_area_id or 0

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


def open_errands(now: datetime, areas: Sequence[int] | None = None) -> list[Errand]:
    """Open commands, and OFFs whose load is not yet known, of meters that these areas (`shards.of`) hear; the oldest
    first.
    """
    is_open = Q(finished_at=None) | queue.UNREAD & Q(finished_at__gt=now - queue.LATE)
    found = Command.objects.filter(is_open, shards.of("meter__device__area", areas))
    cut = len(FIELDS) - len(online.Facts._fields)
    return [Errand(*(*row[:cut], online.Facts(*row[cut:]))) for row in found.order_by("pk").values_list(*FIELDS)]
