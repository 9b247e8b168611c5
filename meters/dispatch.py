"""Sends commands and requests: the worker's third thread, with its own connections.

Woken by notifications, so that a click leaves at once; it looks by itself too, so that a lost one does no harm. What is
true stands in the tables: a command is claimed there before it is published, and this thread may die at any moment.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from django.conf import settings
from django.db import Error, close_old_connections, connection, transaction
from django.db.models import Q
from django.utils import timezone

from meters import commands, notify, online, readings, requests
from meters.commands import queue
from meters.commands.follow import Progress, Step, follow
from meters.commands.pace import Pace
from meters.intake import Intake, first_line, is_passing
from meters.leader import Ear
from meters.models import Command, Meter
from meters.mqtt import NotConnected

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""So often it looks without being woken."""
HURRY_S = 3.0
ASK_AGAIN_S = 60.0
CURRENT = json.dumps({"read": {"cluster": "haElectricalMeasurement", "attributes": ["rmsCurrent"]}})
POSITION = '{"state":""}'

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


class Dispatcher:
    """`take_changes` tells the meters (ids) that boards must hear of."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._ear = Ear((notify.COMMANDS,))
        self._pace = Pace()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._changed: set[int] = set()
        self._changed_all = False
        self._next_look = 0.0
        self._asked: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="dispatch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def take_changes(self) -> tuple[set[int], bool]:
        """Meters (ids) whose wants or commands changed since the last call; True: there may be more."""
        with self._lock:
            changed, self._changed = self._changed, set()
            every, self._changed_all = self._changed_all, False
        return changed, every

    # --- the thread --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._guarded()
        except Exception:
            logger.exception("The dispatching loop ended")
        finally:
            self._ear.release()
            connection.close()

    def _guarded(self) -> None:
        try:
            if not self._ear.is_open:
                self._ear.open()
                self._next_look = 0.0
            close_old_connections()
            self._wait(self.step())
        except (psycopg.OperationalError, Error) as error:
            if isinstance(error, Error) and not is_passing(error):
                raise
            logger.warning("The database is away, nothing is sent: %s", first_line(error))
            self._ear.release()
            connection.close()
            self._stopping.wait(1.0)

    def _wait(self, wait_s: float) -> None:
        """Until something is due or somebody calls. All that was called until now is answered by one step."""
        payloads = self._ear.notifications(min(max(0.0, wait_s), 1.0))
        if payloads:
            self._next_look = 0.0
            named = {int(word) for payload in payloads for word in payload.split(",") if word.isdecimal()}
            self._note(named, every=any(not payload for payload in payloads))

    def _note(self, meters: set[int], *, every: bool = False) -> None:
        with self._lock:
            self._changed |= meters
            self._changed_all |= every

    def step(self) -> float:
        """Do what is due; returns after how many seconds something will be."""
        now = timezone.now()
        wait_s = self._errands(now)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_S
            if self._look(now):
                return 0.0
        return max(0.0, min(wait_s, self._next_look - time.monotonic()))

    def _look(self, now: datetime) -> bool:
        """Close what is overdue, find what is not as wanted, send requests; whether there are new commands."""
        requests.close_overdue(now)
        self._requests(now)
        changed = commands.close_overdue(now) | commands.end_expired(now)
        found = commands.correct(now, self._intake.connected_at)
        self._note(changed | found.changed)
        self._ask_positions(found.asking)
        return found.switched > 0

    # --- commands ----------------------------------------------------------------------------------------------------

    def _errands(self, now: datetime) -> float:
        errands = _open_errands(now)
        if not errands:
            return LOOK_S
        if any(not errand.is_waiting for errand in errands):
            self._intake.hurry(HURRY_S)
        if self._intake.connected_at is None:
            return LOOK_S
        under_way = [errand for errand in errands if not errand.is_waiting and errand.base_topic]
        under_way.sort(key=lambda errand: errand.confirmed_at is not None)  # positions are asked before loads
        waits = [self._follow(errand, now) for errand in under_way]
        link = online.link(now)
        areas: dict[int, list[Errand]] = {}
        for errand in errands:
            areas.setdefault(errand.area_id, []).append(errand)
        waits += [self._send(area_id, waiting, link, now) for area_id, waiting in areas.items() if area_id]
        return min(waits, default=LOOK_S)

    def _send(self, area_id: int, errands: Sequence[Errand], link: online.Link, now: datetime) -> float:
        """Send this area's next waiting command; returns when the one after it may go.

        People's clicks go first, first attempts before second ones: who may be dead holds up nobody who lives.
        """
        ready = [errand for errand in errands if errand.is_waiting and _is_due(errand, link, now)]
        if not ready:
            return LOOK_S
        lane = self._pace.lane(area_id, "command")
        if sum(errand.is_unanswered for errand in errands) >= ready[0].most_unanswered:
            return LOOK_S  # whatever makes room wakes us
        if wait_s := lane.wait_s(time.monotonic()):
            return wait_s
        ordered = sorted(ready, key=lambda errand: (errand.automatic, errand.attempts, errand.id))
        errand = next((errand for errand in ordered if queue.claim(errand.id, area_id, now)), None)
        if errand is None:
            return LOOK_S
        try:
            self._intake.publish(errand.topic("set"), json.dumps({"state": "ON" if errand.state else "OFF"}))
        except NotConnected:
            queue.unclaim(errand.id, now)
            return LOOK_S
        lane.take(time.monotonic(), errand.per_s, self._pace.evenness(sum(e.state for e in ready)))
        queue.note_sent(errand.id, now, timezone.now())
        self._note({errand.meter_id})
        return lane.wait_s(time.monotonic()) if len(ready) > 1 else LOOK_S

    def _follow(self, errand: Errand, now: datetime) -> float:
        """Do what a command under way needs; returns when it needs something again."""
        step = follow(errand.progress(), now, timedelta(seconds=settings.COMMAND_ANSWER_S))
        if step.due > now:
            return (step.due - now).total_seconds()
        claimed_at = errand.claimed_at or now
        match step.step:
            case Step.ASK:
                return self._ask(errand, lambda at: queue.note_asked(errand.id, claimed_at, at), "get", POSITION)
            case Step.ASK_LOAD:
                return self._ask(errand, lambda at: queue.note_load_asked(errand.id, at), "set", CURRENT)
            case Step.CONFIRM:
                with transaction.atomic():
                    if queue.confirm(errand.id, claimed_at, now):
                        readings.note_position(errand.meter_id, errand.state, now)
            case Step.FAIL:
                queue.fail_attempt(errand.id, claimed_at, step.failure, now)
            case Step.END_LOAD:
                queue.settle_load(errand.id, Command.Load.UNKNOWN, now)
        self._note({errand.meter_id})
        return 0.0

    def _ask(self, errand: Errand, note: Callable[[datetime], None], kind: str, payload: str) -> float:
        """A question to the meter, noted before it is published; questions have a pace of their own."""
        lane = self._pace.lane(errand.area_id, "question")
        if wait_s := lane.wait_s(time.monotonic()):
            return wait_s
        at = timezone.now()
        note(at)
        try:
            if kind == "get":
                self._intake.ask_position(errand.meter_id, errand.topic("get"), at)
            else:
                self._intake.publish(errand.topic(kind), payload)
        except NotConnected:
            return LOOK_S
        lane.take(time.monotonic(), errand.per_s)
        return lane.wait_s(time.monotonic())

    # --- other questions ---------------------------------------------------------------------------------------------

    def _ask_positions(self, meters: set[int]) -> None:
        """Ask those whose position was not told since we listen; who does not answer is asked again later."""
        now = time.monotonic()
        due = [meter for meter in meters if now - self._asked.get(meter, -ASK_AGAIN_S) >= ASK_AGAIN_S]
        found = Meter.objects.filter(pk__in=due, device__area__isnull=False).order_by("pk")
        for meter, area, base_topic, ieee_address, per_s in found.values_list(
            "pk",
            "device__area_id",
            "device__area__base_topic",
            "device__ieee_address",
            "device__area__commands_per_s",
        ):
            lane = self._pace.lane(area, "question")
            if lane.wait_s(time.monotonic()):
                continue  # at the next look
            try:
                self._intake.ask_position(meter, f"{base_topic}/{ieee_address}/get", timezone.now())
            except NotConnected:
                return
            lane.take(time.monotonic(), per_s)
            self._asked[meter] = time.monotonic()

    def _requests(self, now: datetime) -> None:
        for request_id, topic, payload in requests.waiting():
            if self._intake.connected_at is None or not requests.claim(request_id, now):
                continue
            try:
                self._intake.publish(topic, payload)
            except NotConnected:
                requests.unclaim(request_id)
                return


def _open_errands(now: datetime) -> list[Errand]:
    """Open commands, and OFFs whose load is not yet known; the oldest first."""
    loaded = Q(status=Command.Status.CONFIRMED, state=False, load="", finished_at__gt=now - queue.LATE)
    found = Command.objects.filter(Q(finished_at=None) | loaded).order_by("pk")
    cut = len(FIELDS) - len(online.Facts._fields)
    return [Errand(*(*row[:cut], online.Facts(*row[cut:]))) for row in found.values_list(*FIELDS)]


def _is_due(errand: Errand, link: online.Link, now: datetime) -> bool:
    """Whether it may go now: its time has come and not passed, and the meter is online."""
    if (errand.not_before and errand.not_before > now) or errand.expires_at <= now:
        return False
    return online.judge(errand.facts, link, now).is_online
