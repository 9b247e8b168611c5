"""The MQTT worker's main thread: it leads, shows that it lives, notes who is online, and tells the browsers.

The only module that writes WorkerState.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from datetime import datetime, timedelta

import psycopg
from django.db import Error, close_old_connections, connection
from django.utils import timezone

from meters import areas, last_known, live, notify, online, partitions
from meters.asking import Asker, CounterAsker
from meters.dispatch import Dispatcher
from meters.emergency import Emergency, are_jobs_waiting, recall_jobs
from meters.intake import Intake, first_line, is_passing
from meters.leader import Leader
from meters.models import Area, WorkerState

logger = logging.getLogger(__name__)

TICK_S = 1.0
LOOK_AGAIN_S = 30.0
WATCH_S = 5.0
JOBS_S = 10.0
DOUBT_AFTER = timedelta(seconds=30)
"""A bridge that has said nothing for so long after we connected is no longer believed to be online."""


class Worker:
    """`run` returns the process's exit code: 0 after a stop that was asked for."""

    def __init__(self) -> None:
        self.boot = secrets.token_hex(4)
        self._stopping = threading.Event()
        self._leader = Leader((notify.CHANGED,))
        self._intake = Intake()
        self._dispatcher = Dispatcher(self._intake)
        self._asker = Asker(self._intake.ask_position)
        self._counters = CounterAsker(self._intake.publish)
        self._next_tick = 0.0  # of time.monotonic()
        self._must_look = False  # somebody changed areas, pitches or cards
        self._look = True  # tell the whole state at the next tick
        self._tick = 0
        self._emergency = Emergency()
        self._due: dict[str, float] = {}
        self._state = WorkerState(name="mqtt", boot=self.boot)
        self._doubted: datetime | None = None  # the connection after which silent bridges were doubted
        self._told: dict[int, tuple[online.Status, str]] = {}  # meter → how the browsers know it

    def stop(self) -> None:
        """Ask for the end: no more messages are taken, those in the queue are stored."""
        self._stopping.set()

    def run(self) -> int:
        if not self._lead():
            return 0
        try:
            self._begin()
            while not self._stopping.is_set():
                if not (self._intake.is_alive and self._dispatcher.is_alive):
                    logger.error("The network, storing or dispatching has ended; leaving, so that we are started again")
                    return 1
                if not self._round():
                    return 1
            return 0
        finally:
            self._end()

    # --- leading -----------------------------------------------------------------------------------------------------

    def _lead(self) -> bool:
        """Wait until this is the only worker; False when told to stop before."""
        waiting = False
        while not self._stopping.is_set():
            try:
                if self._leader.acquire():
                    self._emergency.see("database", is_wrong=False)
                    return True
                if not waiting:
                    logger.warning("Another worker is at work; standing by")
                waiting = True
            except psycopg.OperationalError as error:
                logger.warning("The database cannot be reached: %s", first_line(error))
                self._emergency.see("database", is_wrong=True)
            self._stopping.wait(1.0)
        return False

    def _lead_again(self) -> bool:
        """The database was away and the lock with it: take it again, or leave it to who has it."""
        while not self._stopping.is_set():
            connection.close()
            try:
                if self._leader.acquire():
                    self._look_again()
                    self._emergency.see("database", is_wrong=False)
                    return True
                logger.error("Another worker has taken the lead; leaving")
                return False
            except (psycopg.OperationalError, Error) as error:
                logger.warning("The database cannot be reached: %s", first_line(error))
                self._emergency.see("database", is_wrong=True)
            self._stopping.wait(1.0)
        return True

    def _begin(self) -> None:
        before = WorkerState.objects.filter(pk="mqtt").first()
        online.close_after_outage(before.heartbeat_at if before else None)
        partitions.ensure_ahead()
        now = timezone.now()
        told = {
            "boot": self.boot,
            "tick": 0,
            "host": socket.gethostname()[:100],
            "process_id": os.getpid(),
            "started_at": now,
            "heartbeat_at": now,
            "broker": self._intake.broker,
            "connected_at": None,
            "received": 0,
            "stored": 0,
            "rejected": 0,
        }
        self._state, _ = WorkerState.objects.update_or_create(pk="mqtt", defaults=told)
        self._look_again()
        self._intake.start()
        self._dispatcher.start()
        logger.info("The worker has begun, broker %s", self._intake.broker)

    def _end(self) -> None:
        logger.info("The worker is ending, %d messages are still to be stored", self._intake.queued)
        self._dispatcher.stop()
        self._intake.stop()
        try:
            self._beat(connected_at=None)
        except Error as error:
            logger.warning("The end of the worker could not be noted: %s", first_line(error))
        self._leader.release()
        logger.info("The worker has ended")

    # --- a round a second --------------------------------------------------------------------------------------------

    def _round(self) -> bool:
        """Wait for a notification or the next tick; False when another worker has taken the lead."""
        try:
            if self._leader.notifications(max(0.0, self._next_tick - time.monotonic())):
                self._must_look = True  # at the tick: many may come at once
            if time.monotonic() < self._next_tick:
                return True
            self._next_tick = time.monotonic() + TICK_S
            if self._is_due("look again", LOOK_AGAIN_S) or self._must_look:
                self._look_again()
            self._tell()
        except psycopg.OperationalError:
            return self._lead_again()
        except Error as error:
            if not is_passing(error):
                raise
            logger.warning("The database is away: %s", first_line(error))
            return self._lead_again()
        return True

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + every_s
        return True

    def _look_again(self) -> None:
        """Somebody may have changed areas, pitches or cards."""
        base_topics = list(Area.objects.values_list("base_topic", flat=True))
        areas.forget_found(base_topics)
        self._intake.look_again(base_topics)
        self._look = True
        self._must_look = False

    def _beat(self, connected_at: datetime | None) -> None:
        """A sign of life; whoever has taken the lead since is not written over."""
        now, oldest, counts = timezone.now(), self._intake.oldest, self._intake.counts
        told = {
            "heartbeat_at": now,
            "tick": self._tick,
            "connected_at": connected_at,
            "queued": self._intake.queued,
            "lag_s": max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
            "received": counts.received,
            "stored": counts.stored,
            "rejected": counts.rejected,
        }
        WorkerState.objects.filter(pk="mqtt", boot=self.boot).update(**told)
        for name, value in told.items():
            setattr(self._state, name, value)

    def _doubtful(self, now: datetime) -> list[int]:
        """Areas whose bridge has just become unknown (by id); asked once a connection."""
        connected_at = self._intake.connected_at
        if connected_at in (None, self._doubted) or now - connected_at < DOUBT_AFTER or self._intake.queued:
            return []
        doubted = areas.doubt(connected_at)
        self._doubted = connected_at
        return doubted

    def _watch(self, now: datetime) -> set[int]:
        """Note who is online; returns the meters (ids) that turned. Some turn by the clock alone."""
        if online.is_listening(self._state, now):
            online.watch(now)
        statuses = online.statuses(now, self._state)
        self._asker.consider(statuses, self._state.connected_at)
        self._counters.consider(statuses, now)
        told, self._told = self._told, {meter: (each.status, each.reason) for meter, each in statuses.items()}
        return online.record(statuses, now) | {meter for meter, each in self._told.items() if told.get(meter) != each}

    def _tell(self) -> None:
        """Note who turned on- or offline, then send the browsers what changed: one message."""
        close_old_connections()
        now = timezone.now()
        changed = self._intake.take_changes()
        changed.areas.update(self._doubtful(now))
        self._asker.doubt(changed.moved)
        switched, every = self._dispatcher.take_changes()
        changed.meters |= switched
        self._look |= every
        # After the changes were taken and before they are sent: who reads the whole state meanwhile, and in it this
        # number, has seen them.
        self._tick += 1
        before = self._state.connected_at
        self._beat(self._intake.connected_at)
        self._look |= self._state.connected_at != before  # what was said on another connection may count no more
        if self._is_due("jobs", JOBS_S):
            self._emergency.see("jobs", are_jobs_waiting(now))
            recall_jobs(now)
        if self._is_due("watch", WATCH_S):
            changed.meters |= self._watch(now)
        self._asker.ask()
        self._counters.ask()
        if self._look or changed.all_changed:
            message = live.everything(self.boot, self._tick)
            self._look = False
        else:
            message = live.changes(
                self.boot, self._tick, changed.meters, changed.areas, self._state, switching=bool(switched)
            )
        try:
            live.send(message)
            if message["type"] == "tick" and message.get("whole"):
                last_known.keep(message)
        except Exception as error:  # noqa: BLE001  (whatever Redis raises: boards then poll, and ask for what they missed)
            logger.warning("The browsers could not be told: %s", first_line(error))
