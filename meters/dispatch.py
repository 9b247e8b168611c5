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
from datetime import datetime, timedelta

import psycopg
from django.conf import settings
from django.db import Error, close_old_connections, connection, transaction
from django.utils import timezone

from meters import commands, notify, online, readings, requests
from meters.commands import queue
from meters.commands.errands import Errand, open_errands
from meters.commands.follow import Step, follow
from meters.commands.pace import Pace
from meters.intake import Intake, first_line, is_passing
from meters.leader import Ear
from meters.models import Command, Meter
from meters.mqtt import NotConnected
from meters.shards import Shard

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""So often it looks without being woken."""
HURRY_S = 3.0
ASK_AGAIN_S = 60.0
CURRENT = json.dumps({"read": {"cluster": "haElectricalMeasurement", "attributes": ["rmsCurrent"]}})


class Dispatcher:
    """`take_changes` tells the meters (ids) that boards must hear of."""

    def __init__(self, intake: Intake, shard: Shard | None = None) -> None:
        self._intake = intake
        self._shard = shard or Shard()
        self._ear = Ear((notify.COMMANDS,))
        self._pace = Pace()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._changed: set[int] = set()
        self._changed_all = False
        self._next_look = 0.0
        self._asked: dict[int, float] = {}
        self._cleared: set[int] = set()
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
        payloads = [call.payload for call in self._ear.notifications(min(max(0.0, wait_s), 1.0))]
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
        if self._shard.tells:  # of all areas: once is enough
            requests.close_overdue(now)
            self._note(commands.close_overdue(now) | commands.end_expired(now))
        self._requests(now)
        self._clear(now)
        found = commands.correct(now, self._intake.connected_at, self._shard.scope)
        self._note(found.changed)
        self._ask_positions(found.asking)
        return found.switched > 0

    # --- commands ----------------------------------------------------------------------------------------------------

    def _errands(self, now: datetime) -> float:
        errands = open_errands(now, self._shard.ids)
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
        ready = [errand for errand in errands if errand.is_waiting and errand.is_due(link, now)]
        if not ready:
            return LOOK_S
        lane = self._pace.lane(area_id, "command")
        if sum(errand.is_unanswered for errand in errands) >= ready[0].most_unanswered:
            return LOOK_S  # whatever makes room wakes us
        if wait_s := lane.wait_s(time.monotonic()):
            return wait_s
        ordered = sorted(ready, key=lambda errand: (errand.automatic, errand.attempts, errand.id))
        now = timezone.now()  # this step may have waited for the database: nothing goes after its time
        errand = next((errand for errand in ordered if queue.claim(errand.id, area_id, now)), None)
        if errand is None:
            return LOOK_S
        try:
            self._intake.publish(errand.topic("set"), json.dumps({"state": "ON" if errand.state else "OFF"}))
        except NotConnected:
            queue.unclaim(errand.id, now)
            return LOOK_S
        self._intake.hurry(HURRY_S)
        lane.take(time.monotonic(), errand.per_s, self._pace.evenness(sum(e.state for e in ready)))
        queue.note_sent(errand.id, now, timezone.now())
        self._note({errand.meter_id})
        return lane.wait_s(time.monotonic()) if len(ready) > 1 else LOOK_S

    def _follow(self, errand: Errand, now: datetime) -> float:
        """Do what a command under way needs; returns when it needs something again."""
        step = follow(errand, now, timedelta(seconds=settings.COMMAND_ANSWER_S))
        if step.due > now:
            return (step.due - now).total_seconds()
        claimed_at = errand.claimed_at or now
        match step.step:
            case Step.ASK:
                return self._ask_position(errand, claimed_at)
            case Step.ASK_LOAD:
                return self._ask_load(errand)
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

    def _ask_position(self, errand: Errand, claimed_at: datetime) -> float:
        return self._ask(
            errand,
            errand.asked_at,
            lambda at: queue.note_asked(errand.id, claimed_at, at),
            lambda at: self._intake.ask_position(errand.meter_id, errand.topic("get"), at),
        )

    def _ask_load(self, errand: Errand) -> float:
        return self._ask(
            errand,
            errand.load_asked_at,
            lambda at: queue.note_load_asked(errand.id, at),
            lambda at: self._intake.publish(errand.topic("set"), CURRENT),
        )

    def _ask(
        self,
        errand: Errand,
        asked_before: datetime | None,
        note: Callable[[datetime | None], None],
        publish: Callable[[datetime], None],
    ) -> float:
        """A question to the meter, noted before it is published; questions have a pace of their own."""
        lane = self._pace.lane(errand.area_id, "question")
        if wait_s := lane.wait_s(time.monotonic()):
            return wait_s
        at = timezone.now()
        note(at)
        try:
            publish(at)
        except NotConnected:
            note(asked_before)
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
        for request_id, topic, payload in requests.waiting(self._shard.ids):
            if self._intake.connected_at is None or not requests.claim(request_id, now):
                continue
            try:
                self._intake.publish(topic, payload)
            except NotConnected:
                requests.unclaim(request_id)
                return

    def _clear(self, now: datetime) -> None:
        """Who forgets having done so does it again: nothing is there then."""
        for request_id, topic in requests.leftovers(now, self._shard.ids):
            if request_id in self._cleared or self._intake.connected_at is None:
                continue
            try:
                self._intake.clear(topic)
            except NotConnected:
                return
            self._cleared.add(request_id)
