"""What an area's messages prove of the commands under way.

Zigbee2MQTT echoes a wanted state as soon as the device has answered, whatever it answered: an echo acknowledges, and
is no report of the relay. Confirmed is what the device tells after it was asked for its position. An OFF is done when
no current flows: a welded relay shows in the current alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from meters import notify
from meters.commands import queue
from meters.commands.rules import NO_LOAD_A
from meters.directory import Known
from meters.models import Command
from meters.zigbee2mqtt import Complaint, State

ECHO_WITHIN = timedelta(minutes=2)
ZERO_HELD = timedelta(seconds=12)
"""Zigbee2MQTT's converters hold back a measured 0 for 11 s: until then an old current proves nothing."""
Status, Load, Failure = Command.Status, Command.Load, Command.Failure


@dataclass(slots=True)
class Attempt:
    """A command as far as messages may prove something of it; `claimed_at` names the attempt."""

    id: int
    meter_id: int
    area_id: int | None
    state: bool
    status: str
    by_name: bool
    claimed_at: datetime | None
    acknowledged_at: datetime | None
    asked_at: datetime | None
    confirmed_at: datetime | None
    load: str
    load_asked_at: datetime | None
    ieee_address: str
    name: str
    version: str

    @property
    def is_under_way(self) -> bool:
        return self.status in Command.OPEN and self.claimed_at is not None

    def is_echo(self, relay: bool | None, at: datetime) -> bool:
        """Whether this may be Zigbee2MQTT repeating our own words."""
        if self.claimed_at is None or relay is not self.state or self.status == Status.CONFIRMED:
            return False
        may_echo = at - self.claimed_at < ECHO_WITHIN and (self.is_under_way or self.status == Status.SUPERSEDED)
        return may_echo and (self.asked_at is None or at < self.asked_at)


FIELDS = (
    *("id", "meter_id", "area_id", "state", "status", "by_name", "claimed_at", "acknowledged_at", "asked_at"),
    *("confirmed_at", "load", "load_asked_at"),
    *("meter__device__ieee_address", "meter__device__friendly_name", "area__state__version"),
)


class Proofs:
    """For one transaction of the ingest. `changed` are the meters (ids) whose commands it moved on."""

    def __init__(self) -> None:
        self.changed: set[int] = set()
        self._heard: set[int] = set()
        self._attempts: dict[int, list[Attempt]] | None = None

    def weigh(self, known: Known, state: State, at: datetime) -> State:
        """Take what this report proves; returns it as what the device itself said: without an echo's position."""
        attempts = self._of(known.meter_id, at)
        if not attempts:
            return state
        is_echo = any(attempt.is_echo(state.relay, at) for attempt in attempts)
        for attempt in attempts:
            if attempt.is_under_way:
                self._position(attempt, known, state, at)
            elif attempt.status == Status.CONFIRMED and not attempt.state and not attempt.load:
                self._current(attempt, known, state, at)
            elif attempt.status == Status.QUEUED:
                self._heard.add(attempt.meter_id)
        return replace(state, relay=None) if is_echo else state

    def complain(self, area_id: int, complaint: Complaint, at: datetime) -> None:
        """An error line: an attempt of this area has failed, sooner than its time would have told."""
        for attempt in self._under_way(area_id, complaint, at):
            if attempt.claimed_at is None:
                continue
            if (
                complaint.reason == "unknown_device"
                and (attempt.version or "").startswith("1.")
                and not attempt.by_name
            ):
                moved_on = queue.call_by_name(attempt.id, attempt.claimed_at)
            else:
                moved_on = queue.fail_attempt(attempt.id, attempt.claimed_at, complaint.reason, at, complaint.text)
            if moved_on:
                self._done(attempt, Status.QUEUED)

    def tell(self) -> None:
        """Wake the worker's dispatching thread once this is committed."""
        if self.changed or self._heard:
            notify.wake(self.changed | self._heard)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _position(self, attempt: Attempt, known: Known, state: State, at: datetime) -> None:
        claimed_at = attempt.claimed_at
        if state.relay is None or claimed_at is None or at < claimed_at:
            return
        if attempt.asked_at is None or at < attempt.asked_at:
            if state.relay is attempt.state and queue.acknowledge(attempt.id, claimed_at, at):
                attempt.status, attempt.acknowledged_at = Status.ACKNOWLEDGED, at
                self.changed.add(attempt.meter_id)
        elif state.relay is not attempt.state:
            queue.fail_attempt(attempt.id, claimed_at, Failure.NOT_MOVED, at)
            self._done(attempt, Status.QUEUED)
        elif "state" in known.fresh:
            queue.confirm(attempt.id, claimed_at, at)
            attempt.confirmed_at = at
            self._done(attempt, Status.CONFIRMED)
        else:  # may be a repeat of the echo: the last word within some seconds counts
            queue.note_read(attempt.id, claimed_at, state.relay)
            self._heard.add(attempt.meter_id)

    def _current(self, attempt: Attempt, known: Known, state: State, at: datetime) -> None:
        told = [value for key, value in state.phases.items() if key.startswith("current")]
        told += [] if state.current_ma is None else [state.current_ma]
        if not told or attempt.confirmed_at is None:
            return
        current_a = max(told) / 1000
        is_fresh = "current" in known.fresh or any(name in known.fresh for name in known.phase_values("current"))
        reference = attempt.confirmed_at if is_fresh else attempt.load_asked_at
        if reference is None or at < attempt.confirmed_at:
            return
        is_settled = at - reference >= ZERO_HELD
        if current_a < NO_LOAD_A and (is_fresh or is_settled):
            queue.settle_load(attempt.id, Load.NONE, at)
            self._done(attempt, Status.CONFIRMED, Load.NONE)
        elif current_a >= NO_LOAD_A and is_settled:
            queue.settle_load(attempt.id, Load.FLOWING, at, f"{current_a:.2f} A")
            self._done(attempt, Status.FAILED, Load.FLOWING)

    def _done(self, attempt: Attempt, status: str, load: str = "") -> None:
        attempt.status, attempt.load = status, load
        if status == Status.QUEUED:
            attempt.claimed_at = None
        self.changed.add(attempt.meter_id)

    def _of(self, meter_id: int | None, at: datetime) -> list[Attempt]:
        return self._loaded(at).get(meter_id or 0, [])

    def _under_way(self, area_id: int, complaint: Complaint, at: datetime) -> list[Attempt]:
        """The attempts that this line may tell of."""
        found = []
        for attempt in (attempt for attempts in self._loaded(at).values() for attempt in attempts):
            names = {attempt.ieee_address} if complaint.ieee_address else {attempt.ieee_address, attempt.name}
            is_it = (complaint.ieee_address or complaint.name) in names
            is_position = complaint.key in ("state", "") and (complaint.kind == "set" or attempt.asked_at is not None)
            if attempt.is_under_way and attempt.area_id == area_id and is_it and is_position:
                found.append(attempt)
        return found

    def _loaded(self, at: datetime) -> dict[int, list[Attempt]]:
        if self._attempts is None:
            recent = Q(finished_at=None) | Q(finished_at__gt=at - ECHO_WITHIN)
            self._attempts = {}
            for row in Command.objects.filter(recent).order_by("pk").values_list(*FIELDS):
                self._attempts.setdefault(row[1], []).append(Attempt(*row))
        return self._attempts
