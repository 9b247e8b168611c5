"""The MQTT worker's main thread: it leads, shows that it lives, notes who is online, and tells the browsers.

Of several workers, each with areas of its own, one tells the browsers; the others tell that one. The only module that
writes WorkerState.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.utils import timezone

from meters import areas, last_known, live, notify, online, partitions
from meters.asking import Asker, CounterAsker
from meters.dispatch import Dispatcher
from meters.emergency import Emergency, are_jobs_waiting, recall_jobs
from meters.intake import Intake, first_line, is_passing
from meters.leader import Call, Leader
from meters.models import Area, WorkerState
from meters.shards import Shard

logger = logging.getLogger(__name__)

TICK_S = 1.0
LOOK_AGAIN_S = 30.0
WATCH_S = 5.0
JOBS_S = 10.0
STAND_BY_S = 10.0
"""So long those who begin together have to begin to stand by."""
DOUBT_AFTER = timedelta(seconds=30)
"""A bridge that has said nothing for so long after we connected is no longer believed to be online."""


class Worker:
    """`run` returns the process's exit code: 0 after a stop that was asked for."""

    def __init__(self, shard: Shard | None = None, until: Callable[[], bool] | None = None) -> None:
        """`until`: it ends by itself once all is stored that the broker kept for it, and this is true."""
        self._until = until
        self.boot = secrets.token_hex(4)
        self._shard = shard or Shard()
        self._stopping = threading.Event()
        self._leader = Leader((notify.CHANGED, notify.NEWS))
        self._intake = Intake(self._shard)
        self._dispatcher = Dispatcher(self._intake, self._shard)
        self._asker = Asker(self._intake.ask_position)
        self._counters = CounterAsker(self._intake.publish)
        self._next_tick = 0.0  # of time.monotonic()
        self._kept_since: datetime | None = None  # the broker keeps messages for us, who do not lead yet
        self._finished: list[str] = []  # whom this worker has been before it led itself
        self._must_look = False  # somebody changed areas, pitches or cards
        self._news = notify.News(everything=True)  # what the browsers have not been told yet
        self._tick = 0
        self._emergency = Emergency()
        self._due: dict[str, float] = {}
        self._state = WorkerState(name=self._shard.name, boot=self.boot)
        self._doubted: datetime | None = None  # the connection after which silent bridges were doubted
        self._told: dict[int, tuple[online.Status, str]] = {}  # meter → how the browsers know it

    def stop(self) -> None:
        """Ask for the end: no more messages are taken, those in the queue are stored."""
        self._stopping.set()

    def run(self) -> int:
        return self._serve() if self._lead() else 0

    def _serve(self) -> int:
        try:
            self._begin()
            while not self._stopping.is_set() and not (self._until and self._intake.is_drained and self._until()):
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
        """Wait until nobody else takes these areas; False when told to stop before. Raises shards.UnknownArea."""
        waits_for = ""
        while not self._stopping.is_set():
            try:
                self._shard.resolve()
                held = self._leader.acquire(self._shard)
                self._emergency.see("database", is_wrong=False)
                if held:
                    if held != waits_for:
                        logger.warning("Another worker %s; standing by", held)
                    waits_for = held
                    self._foresee()
                elif before := self._unheard():
                    self._leader.release()
                    self._finish(before)
                else:
                    return True
            except (psycopg.OperationalError, Error) as error:
                logger.warning("The database cannot be reached: %s", first_line(error))
                self._emergency.see("database", is_wrong=True)
                connection.close()
            self._stopping.wait(1.0)
        return False

    def _foresee(self) -> None:
        """Whoever waits to replace workers of other names lets the broker keep what comes from now on: between their
        end and our beginning nothing is lost. What they store as well is stored once.
        """
        if self._leader.has_twin or self._kept_since or not self._is_due("foresee", LOOK_AGAIN_S):
            return
        if self._intake.keep_session(self._base_topics()[0]):
            self._kept_since = timezone.now()
            logger.info("The broker keeps messages for us from now on")

    def _unheard(self) -> WorkerState | None:
        """Who had some of these areas and ended before anybody stood by: the broker keeps for it what nobody has."""
        if not settings.MQTT_PERSISTENT_SESSION or self._until:
            return None
        areas = Area.objects.values_list("pk", flat=True) if self._shard.ids is None else self._shard.ids
        for before in WorkerState.objects.exclude(pk__in=[self._shard.name, *self._finished]):
            is_kept = self._kept_since is not None and before.heartbeat_at >= self._kept_since
            if not is_kept and any(map(before.takes, areas)):
                return before
        return None

    def _finish(self, before: WorkerState) -> None:
        """Be that worker, with its areas and its session, until what was kept for it is stored and is kept for us."""
        slugs = Area.objects.filter(pk__in=before.areas or ()).values_list("slug", flat=True)
        shard = Shard() if before.areas is None else Shard(list(slugs), before.shard)
        end = time.monotonic() + STAND_BY_S
        worker = Worker(shard, lambda: time.monotonic() > end and self._is_kept())
        worker._stopping = self._stopping
        shard.resolve()
        if not worker._leader.acquire(shard):
            logger.info("What the broker kept for %s is stored first", before.name)
            if not worker._serve():
                self._finished.append(before.name)

    def _is_kept(self) -> bool:
        self._foresee()
        return self._kept_since is not None

    def _base_topics(self) -> tuple[set[str], set[str]]:
        """Of our areas, and of all others."""
        found, ours = dict(Area.objects.values_list("pk", "base_topic")), self._shard.ids
        mine = {base for area, base in found.items() if ours is None or area in ours}
        return mine, set(found.values()) - mine

    def _lead_again(self) -> bool:
        """The database was away and the locks with it: take them again, or leave it to who has them."""
        told, self._shard.tells = self._shard.tells, False
        while not self._stopping.is_set():
            connection.close()
            try:
                if held := self._leader.acquire(self._shard):
                    logger.error("Another worker has taken the lead (it %s); leaving", held)
                    self._intake.leave()
                    return False
                self._try_to_tell()
                self._look_again()
                self._emergency.see("database", is_wrong=False)
                return True
            except (psycopg.OperationalError, Error) as error:
                logger.warning("The database cannot be reached: %s", first_line(error))
                self._emergency.see("database", is_wrong=told)
            self._stopping.wait(1.0)
        return True

    def _try_to_tell(self) -> None:
        """Be the one that does what one does for all, once no other does. Whoever waited for news gets everything."""
        if not self._leader.tell():
            return
        WorkerState.objects.exclude(pk=self._shard.name).update(tells=False)
        self._shard.tells = True
        self._intake.search()
        self._news.everything = True
        logger.info("This worker tells the browsers")

    def _begin(self) -> None:
        self._replace_others()
        partitions.ensure_ahead()
        now = timezone.now()
        told = {
            "areas": self._shard.ids,
            "tells": False,
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
        self._state, _ = WorkerState.objects.update_or_create(pk=self._shard.name, defaults=told)
        self._shard.tells = False
        self._try_to_tell()
        self._look_again()
        self._intake.start_draining() if self._until else self._intake.start()
        self._dispatcher.start()
        logger.info("The worker has begun as %s, broker %s", self._shard.name, self._intake.broker)

    def _replace_others(self) -> None:
        """Who had these areas before has them no more: the locks are ours. Who had others too comes again for them."""
        ours = self._shard.ids
        for before in WorkerState.objects.all():
            if ours is not None and not any(map(before.takes, ours)) and before.name != self._shard.name:
                continue
            online.close_after_outage(before.heartbeat_at, before.areas)
            left = [] if ours is None else [area for area in before.areas or () if area not in ours]
            as_read = WorkerState.objects.filter(pk=before.pk, boot=before.boot)  # it may have begun anew meanwhile
            if before.name == self._shard.name:
                continue
            if left:
                as_read.update(areas=left)
            elif as_read.delete()[0]:
                self._end_session(before)

    def _end_session(self, before: WorkerState) -> None:
        if not self._intake.end_session(before.name):
            logger.warning("The broker could not be told that %s is no more; it goes on keeping for it", before.name)
        elif self._kept_since is None or before.heartbeat_at < self._kept_since:
            since = f"{before.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"
            logger.warning("%s ended before we stood by: what was said since %s is not stored", before.name, since)

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
            for call in self._leader.notifications(max(0.0, self._next_tick - time.monotonic())):
                self._hear(call)
            if time.monotonic() < self._next_tick:
                return True
            self._next_tick = time.monotonic() + TICK_S
            if not self._shard.tells:
                self._try_to_tell()
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

    def _hear(self, call: Call) -> None:
        """Noted until the tick: many may come at once."""
        if call.channel == notify.CHANGED:
            self._must_look = True
        elif self._shard.tells:
            self._news |= notify.understood(call.payload)

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + every_s
        return True

    def _look_again(self) -> None:
        """Somebody may have changed areas, pitches or cards."""
        mine, elsewhere = self._base_topics()
        areas.forget_found(mine | elsewhere)
        self._intake.look_again(mine, elsewhere)
        self._news.everything |= self._shard.tells  # who does not tell passes on what it changed itself
        self._must_look = False

    def _beat(self, connected_at: datetime | None) -> None:
        """A sign of life; whoever has taken the lead since is not written over."""
        now, oldest, counts = timezone.now(), self._intake.oldest, self._intake.counts
        told = {
            "heartbeat_at": now,
            "tick": self._tick,
            "tells": self._shard.tells,
            "connected_at": connected_at,
            "queued": self._intake.queued,
            "lag_s": max(0.0, (now - oldest).total_seconds()) if oldest else 0.0,
            "received": counts.received,
            "stored": counts.stored,
            "rejected": counts.rejected,
        }
        WorkerState.objects.filter(pk=self._shard.name, boot=self.boot).update(**told)
        for name, value in told.items():
            setattr(self._state, name, value)

    def _doubtful(self, now: datetime) -> list[int]:
        """Areas whose bridge has just become unknown (by id); asked once a connection."""
        connected_at = self._intake.connected_at
        if connected_at in (None, self._doubted) or now - connected_at < DOUBT_AFTER or self._intake.queued:
            return []
        doubted = areas.doubt(connected_at, self._shard.ids)
        self._doubted = connected_at
        return doubted

    def _watch(self, now: datetime) -> set[int]:
        """Note who is online; returns the meters (ids) that turned. Some turn by the clock alone, or as their worker
        falls silent: of those, too, the browsers are told.
        """
        if online.is_listening(self._state, now):
            online.watch(now, self._shard.ids)
        ours = online.statuses(now, self._shard.scope, self._known())
        self._asker.consider(ours, self._state.connected_at)
        self._counters.consider(ours, now)
        seen = online.statuses(now) if self._shard.tells and not self._shard.is_whole else ours
        told, self._told = self._told, {meter: (each.status, each.reason) for meter, each in seen.items()}
        return online.record(ours, now) | {meter for meter, each in self._told.items() if told.get(meter) != each}

    def _known(self) -> list[WorkerState] | None:
        """All workers' rows, where there is only this one."""
        return [self._state] if self._shard.is_whole else None

    def _tell(self) -> None:
        """Note who turned on- or offline, then send the browsers what changed: one message."""
        close_old_connections()
        now = timezone.now()
        self._gather(now)
        # After the changes were taken and before they are sent: who reads the whole state meanwhile, and in it this
        # number, has seen them.
        self._tick += 1
        before = self._state.connected_at
        self._beat(self._intake.connected_at)
        self._news.everything |= self._state.connected_at != before  # what another connection said may count no more
        if self._shard.tells and self._is_due("jobs", JOBS_S):
            self._emergency.see("jobs", are_jobs_waiting(now))
            recall_jobs(now)
        if self._is_due("watch", WATCH_S):
            self._news.meters |= self._watch(now)
        self._asker.ask()
        self._counters.ask()
        news, self._news = self._news, notify.News()
        if self._shard.tells:
            self._send(news)
        else:
            notify.pass_on(news)

    def _gather(self, now: datetime) -> None:
        """Add what this worker changed since the last tick."""
        changed = self._intake.take_changes()
        self._asker.doubt(changed.moved)
        switched, every = self._dispatcher.take_changes()
        self._news |= notify.News(
            changed.meters | switched,
            changed.areas | set(self._doubtful(now)),
            switching=bool(switched),
            everything=every or changed.all_changed,
        )

    def _send(self, news: notify.News) -> None:
        if news.everything:
            message = live.everything(self.boot, self._tick)
        else:
            message = live.changes(
                self.boot, self._tick, news.meters, news.areas, self._known(), switching=news.switching
            )
        try:
            live.send(message)
            if message.get("whole"):
                last_known.keep(message)
        except Exception as error:  # noqa: BLE001  (whatever Redis raises: boards then poll, and ask for what they missed)
            logger.warning("The browsers could not be told: %s", first_line(error))
