"""What an area's messages prove of the commands under way.

Zigbee2MQTT echoes a wanted state as soon as the device has answered, whatever it answered: an echo acknowledges, and
is no report of the relay. Confirmed is what the device tells after it was asked for its position. An OFF is done when
no current flows: a welded relay shows in the current alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from meters import names, notify
from meters.commands import queue
from meters.commands.follow import LAST_WORD
from meters.commands.rules import NO_LOAD_A
from meters.directory import Known
from meters.models import Command
from meters.zigbee2mqtt import Complaint, State

ECHO_WITHIN = timedelta(minutes=2)
ZERO_HELD = timedelta(seconds=12)
"""Zigbee2MQTT's converters hold back a measured 0 for 11 s: until then an old current proves nothing."""
CACHED_ZERO, CACHED_CURRENT = timedelta(seconds=14), timedelta(seconds=26)
"""After the OFF: from when on a 0, and a current, count where values may repeat the cache (follow.LOAD_QUESTIONS)."""
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
    failure: str
    claimed_at: datetime | None
    sent_at: datetime | None
    acknowledged_at: datetime | None
    asked_at: datetime | None
    confirmed_at: datetime | None
    load: str
    ieee_address: str
    name: str
    is_readable: bool
    version: str

    @property
    def is_under_way(self) -> bool:
        return self.status in Command.OPEN and self.claimed_at is not None

    def is_echo(self, known: Known, relay: bool | None, at: datetime) -> bool:
        """Whether this may be Zigbee2MQTT repeating our own words, late or after all else was said too."""
        begun = self.claimed_at or self.sent_at
        if begun is None or relay is not self.state or not begun <= at <= begun + ECHO_WITHIN:
            return False
        return not self.has_spoken(known, at)

    def has_spoken(self, known: Known, at: datetime) -> bool:
        """Whether the meter itself has told its position since this was sent, or is telling it now.

        A device that cannot be asked reports by itself, beside the echo.
        """
        if self.status == Status.CONFIRMED or (self.failure == Failure.NOT_MOVED and not self.is_under_way):
            return True
        if self.acknowledged_at is None:
            return False
        if not self.is_readable:
            return "state" in known.fresh
        return self.asked_at is not None and at >= self.asked_at

    def awaits_last_word(self, known: Known, state: State, at: datetime) -> bool:
        """Whether this is the wanted position, but may repeat the echo: stored once nothing has spoken against it."""
        is_wanted = self.is_under_way and state.relay is self.state
        return is_wanted and "state" not in known.fresh and self.has_spoken(known, at)


FIELDS = (
    *("id", "meter_id", "area_id", "state", "status", "by_name", "failure", "claimed_at", "sent_at"),
    *("acknowledged_at", "asked_at", "confirmed_at", "load"),
    *("meter__device__ieee_address", "meter__device__friendly_name", "meter__device__relay_readable"),
    "area__state__version",
)


class Proofs:
    """For one transaction of the ingest. `changed` are the meters (ids) whose commands it moved on."""

    def __init__(self) -> None:
        self.changed: set[int] = set()
        self._heard: set[int] = set()
        self._attempts: dict[int, list[Attempt]] | None = None

    def weigh(self, known: Known, state: State, at: datetime) -> State:
        """Take what this report proves; returns it as what the device itself said: without an echo's position."""
        attempts = self._loaded(at).get(known.meter_id or 0)
        if not attempts:
            return state
        is_hearsay = _is_echo(attempts, known, state.relay, at)
        is_hearsay |= any(attempt.awaits_last_word(known, state, at) for attempt in attempts)
        for attempt in attempts:
            if attempt.is_under_way:
                self._position(attempt, known, state, at)
            elif attempt.status == Status.CONFIRMED and not attempt.state and not attempt.load:
                self._current(attempt, known, state, at)
            elif attempt.status == Status.QUEUED:
                self._heard.add(attempt.meter_id)
        return state._replace(relay=None) if is_hearsay else state

    def complain(self, area_id: int, complaint: Complaint, at: datetime) -> None:
        """An error line: an attempt of this area has failed, sooner than its time would have told."""
        for attempt in self._under_way(area_id, complaint, at):
            if attempt.claimed_at is None or at < attempt.claimed_at:
                continue
            if (
                complaint.reason == "unknown_device"
                and (attempt.version or "").startswith("1.")
                and not attempt.by_name
                and names.leads_to(attempt.name, attempt.ieee_address)
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
        if not attempt.has_spoken(known, at):
            if state.relay is attempt.state and queue.acknowledge(attempt.id, claimed_at, at):
                attempt.status, attempt.acknowledged_at = Status.ACKNOWLEDGED, at
                self.changed.add(attempt.meter_id)
            elif self._contradicts(attempt, known, state, at):
                queue.fail_attempt(attempt.id, claimed_at, Failure.NOT_MOVED, at)
                self._done(attempt, Status.QUEUED)
        elif state.relay is not attempt.state:
            queue.fail_attempt(attempt.id, claimed_at, Failure.NOT_MOVED, at)
            self._done(attempt, Status.QUEUED)
        elif "state" in known.fresh:
            queue.confirm(attempt.id, claimed_at, at)
            attempt.confirmed_at = at
            self._done(attempt, Status.CONFIRMED)
        elif (
            attempt.asked_at and at <= attempt.asked_at + LAST_WORD
        ):  # may be a repeat of the echo: the last word counts
            queue.note_read(attempt.id, claimed_at, state.relay)
            self._heard.add(attempt.meter_id)

    def _contradicts(self, attempt: Attempt, known: Known, state: State, at: datetime) -> bool:
        """Nobody acknowledged, but asked, the meter tells the other position: an echo would tell the wanted one."""
        is_asked = attempt.asked_at is not None and at >= attempt.asked_at
        return is_asked and state.relay is not attempt.state and "state" in known.fresh

    def _current(self, attempt: Attempt, known: Known, state: State, at: datetime) -> None:
        names = known.phase_values("current") or ["current"]
        bare = {"current": state.current_ma}
        told = [value for name in names if (value := state.phases.get(name, bare.get(name))) is not None]
        if attempt.confirmed_at is None or at < attempt.confirmed_at:
            return
        if state.relay is True:  # it is on again: what flows now is no fault
            queue.settle_load(attempt.id, Load.UNKNOWN, at)
            self._done(attempt, Status.CONFIRMED, Load.UNKNOWN)
            return
        if not told:
            return
        current_a, since = max(told) / 1000, at - attempt.confirmed_at
        is_fresh = known.fresh.issuperset(names)
        if current_a < NO_LOAD_A and len(told) == len(names) and (is_fresh or since >= CACHED_ZERO):
            queue.settle_load(attempt.id, Load.NONE, at)
            self._done(attempt, Status.CONFIRMED, Load.NONE)
        elif current_a >= NO_LOAD_A and since >= (ZERO_HELD if is_fresh else CACHED_CURRENT):
            queue.settle_load(attempt.id, Load.FLOWING, at, f"{current_a:.2f} A")
            self._done(attempt, Status.FAILED, Load.FLOWING)

    def _done(self, attempt: Attempt, status: str, load: str = "") -> None:
        attempt.status, attempt.load = status, load
        if status == Status.QUEUED:
            attempt.claimed_at = None
        self.changed.add(attempt.meter_id)

    def _under_way(self, area_id: int, complaint: Complaint, at: datetime) -> list[Attempt]:
        """The attempts that this line may tell of."""
        found = []
        for attempt in (attempt for attempts in self._loaded(at).values() for attempt in attempts):
            names = {attempt.ieee_address} if complaint.ieee_address else {attempt.ieee_address, attempt.name}
            is_it = (complaint.ieee_address or complaint.name) in names
            is_position = complaint.key in ("state", "") and (complaint.kind == "set" or attempt.asked_at is not None)
            is_position &= complaint.state in (None, attempt.state)  # of an overtaken one comes late
            if attempt.is_under_way and attempt.area_id == area_id and is_it and is_position:
                found.append(attempt)
        return found

    def _loaded(self, at: datetime) -> dict[int, list[Attempt]]:
        if self._attempts is None:
            recent = Q(finished_at=None) | Q(finished_at__gt=at - ECHO_WITHIN)
            self._attempts = {}
            queue.lock(Q(claimed_at__isnull=False))
            for row in Command.objects.filter(recent).order_by("pk").values_list(*FIELDS):
                self._attempts.setdefault(row[1], []).append(Attempt(*row))
        return self._attempts


def _is_echo(attempts: Sequence[Attempt], known: Known, relay: bool | None, at: datetime) -> bool:
    """Whether one of a meter's attempts may echo in this position; those before the meter itself spoke echo no more."""
    for attempt in reversed(attempts):
        if attempt.is_echo(known, relay, at):
            return True
        if attempt.has_spoken(known, at):
            return False
    return False
