"""From the broker to committed rows: one thread speaks with the broker, one stores what comes.

What is acknowledged is committed. While the database is away the queue fills, the network thread waits, and the broker
keeps the rest.
"""

from __future__ import annotations

import gc
import logging
import secrets
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import Error, connection

from meters import mqtt, shards
from meters.batch import Outcome
from meters.inbox import Inbox, collecting_s
from meters.ingest import Ingest
from meters.shards import Shard

logger = logging.getLogger(__name__)

QUEUE_SIZE = 20_000
MOST_BYTES = 64 * 1024 * 1024
"""So much is held until it is stored, and one message more: 20,000 of the largest would be 160 GB."""
BATCH_SIZE = 5_000
OBJECTS_OF_A_BATCH = 100_000
FLUSH_S = 1.0
"""Seconds from a message's receipt until it is committed, for as long as the database keeps up. A batch costs some 3 ms
of CPU however small it is; a board's tick is a second too."""
HURRIED_FLUSH_S = 0.1
"""The same while somebody waits for a proof."""
IDLE_S = 0.5
ALIVE = "bridge/request/health_check"
SEARCH = [("+/bridge/state", 1), ("+/bridge/info", 0), ("+/+/bridge/state", 1), ("+/+/bridge/info", 0)]
"""Where Zigbee2MQTTs that are no areas yet are looked for."""
PASSING_SQLSTATES = ("08", "25P", "40", "53", "55", "57", "58")


@dataclass
class Counts:
    """Messages since the start."""

    received: int = 0
    stored: int = 0
    rejected: int = 0


class Intake:
    """Both threads and the queue between them, bounded in messages and in bytes."""

    def __init__(self, shard: Shard | None = None) -> None:
        self.counts = Counts()
        self._shard = shard or Shard()
        self._stopping = threading.Event()
        self._stale = threading.Event()  # somebody changed areas or cards: look again
        self._inbox = Inbox(QUEUE_SIZE, MOST_BYTES)
        self._asked: dict[int, datetime] = {}
        self._ingest = Ingest(self._asked, self._shard)
        self._hurried_until = 0.0  # of time.monotonic()
        self._took_s = 0.0  # to store the last batch
        self._mark = b""
        self._drained = threading.Event()
        self._lock = threading.Lock()
        self._changed = Outcome()
        self._base_topics: frozenset[str] = frozenset()
        self._elsewhere: frozenset[str] = frozenset()
        self._client = mqtt.Client(
            settings.MQTT_URL,
            self._shard.client_id(settings.MQTT_CLIENT_ID),
            on_messages=self._receive,
            topics=self._topics,
            on_connect=self._connected,
            persistent=settings.MQTT_PERSISTENT_SESSION,
        )
        self._storing = threading.Thread(target=self._store_forever, name="store", daemon=True)

    # --- for the worker ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        # A batch makes some ten objects a message, and lets go of them all. Python looks for rings among all objects
        # there are each time their number grows: a third of a batch's CPU.
        gc.freeze()
        gc.set_threshold(OBJECTS_OF_A_BATCH)
        self._storing.start()
        self._client.start()

    def start_draining(self) -> None:
        """The same, to learn when all is stored that the broker kept: a word of ours that comes back comes after it."""
        self._mark = secrets.token_hex(8).encode()
        self.start()

    @property
    def is_drained(self) -> bool:
        return self._drained.is_set()

    def stop(self, timeout_s: float = 20.0) -> None:
        """Take no more, store and acknowledge what is queued, then say good-bye to the broker."""
        self._stopping.set()
        if self._storing.is_alive():
            self._storing.join(timeout_s)
        self._client.stop()

    def leave(self) -> None:
        """Let go at once: another worker takes our areas, is the same client to the broker, and is handed there what we
        did not acknowledge. Who stored what is queued first would come back to the broker, and throw that one out.
        """
        self._stopping.set()
        self._client.stop()
        self._inbox.let_go(self._inbox.take(QUEUE_SIZE))

    @property
    def is_alive(self) -> bool:
        return self._client.is_alive and self._storing.is_alive()

    @property
    def connected_at(self) -> datetime | None:
        return self._client.connected_at

    @property
    def broker(self) -> str:
        return self._client.address

    @property
    def queued(self) -> int:
        return len(self._inbox)

    @property
    def oldest(self) -> datetime | None:
        """When the first of the waiting messages was received."""
        return self._inbox.oldest

    def look_again(self, base_topics: Iterable[str], elsewhere: Iterable[str] = ()) -> None:
        """Areas or cards may have changed: read them anew, listen to new areas and to gone ones no more. `elsewhere`:
        the base topics that other workers take.
        """
        before, self._base_topics, self._elsewhere = self._base_topics, frozenset(base_topics), frozenset(elsewhere)
        self._stale.set()
        self._client.subscribe([(f"{base}/#", 1) for base in sorted(self._base_topics - before)])
        self._ask_for_life(self._base_topics - before)
        self._client.unsubscribe([f"{base}/#" for base in sorted(before - self._base_topics)])

    def keep_session(self, base_topics: Iterable[str]) -> bool:
        """Before it starts: that the broker keeps for us what comes from now on. Whether it does."""
        topics = [(f"{base}/#", 1) for base in sorted(base_topics)]
        name = self._shard.client_id(settings.MQTT_CLIENT_ID)
        return settings.MQTT_PERSISTENT_SESSION and mqtt.keep_session(settings.MQTT_URL, name, topics)

    def end_session(self, worker: str) -> bool:
        """Of a worker (by its name) that is no more: else the broker keeps messages for it. Whether it is ended."""
        return mqtt.end_session(settings.MQTT_URL, shards.client_id(settings.MQTT_CLIENT_ID, worker))

    def search(self) -> None:
        """This worker looks for unknown Zigbee2MQTTs from now on."""
        self._client.subscribe(SEARCH)

    def _connected(self) -> None:
        """A session may hold what this worker took, or did for all, in an earlier life."""
        if not self._shard.tells:
            self._client.unsubscribe([topic for topic, _ in SEARCH])
        self._client.unsubscribe([f"{base}/#" for base in sorted(self._elsewhere)])
        self._ask_for_life(self._base_topics)
        if self._mark:
            with suppress(mqtt.NotConnected):
                self._client.publish(mqtt.ROUND_TRIP_TOPIC, self._mark, qos=1)

    def _ask_for_life(self, base_topics: Iterable[str]) -> None:
        """What the broker retains is no proof that a Zigbee2MQTT runs: the answer is. One that is not yet connected
        itself says so when it is."""
        for base in sorted(base_topics):
            with suppress(mqtt.NotConnected):
                self._client.publish(f"{base}/{ALIVE}", "{}")

    def clear(self, topic: str) -> None:
        """Take what is retained there off the broker, as `publish`."""
        self._send(topic, "", retain=True)

    def publish(self, topic: str, payload: str) -> None:
        """Send now, at QoS 0 and never retained, or raise mqtt.NotConnected.

        While the queue is full the network thread waits, and would send only afterwards: then nothing is sent either.
        """
        self._send(topic, payload)

    def _send(self, topic: str, payload: str, *, retain: bool = False) -> None:
        if self._inbox.is_full:
            raise mqtt.NotConnected
        self._client.publish(topic, payload, retain=retain)

    def ask_position(self, meter_id: int, topic: str, at: datetime) -> None:
        """Ask a meter for its relay's position; what it tells within seconds of `at` is no cache's repeat."""
        self._asked[meter_id] = at
        try:
            self.publish(topic, '{"state":""}')
        except mqtt.NotConnected:
            self._asked.pop(meter_id, None)
            raise

    def hurry(self, for_s: float) -> None:
        """Somebody waits for a proof: for so long, store what comes at once, and now what is being collected."""
        is_new, self._hurried_until = time.monotonic() >= self._hurried_until, time.monotonic() + for_s
        if is_new:
            self._inbox.hurry()

    def take_changes(self) -> Outcome:
        """What changed since the last call."""
        with self._lock:
            changed, self._changed = self._changed, Outcome()
        return changed

    # --- the network thread ------------------------------------------------------------------------------------------

    def _receive(self, messages: Sequence[mqtt.Message]) -> None:
        """Queue them; wait while the queue is full: then the broker keeps what we cannot take."""
        self.counts.received += len(messages)
        while not self._stopping.is_set() and not self._inbox.put(messages, IDLE_S):
            pass

    def _topics(self) -> list[tuple[str, int]]:
        """Names may contain slashes, so that no narrower filter than `#` holds them all."""
        more = [*(SEARCH if self._shard.tells else ()), *([(mqtt.ROUND_TRIP_TOPIC, 1)] if self._mark else ())]
        return [*more, *((f"{base}/#", 1) for base in sorted(self._base_topics))]

    # --- the storing thread ------------------------------------------------------------------------------------------

    def _store_forever(self) -> None:
        try:
            while not (self._stopping.is_set() and not self._inbox):
                batch = self._next_batch()
                if self._stale.is_set():  # after the waiting: what a new subscription brings needs the new directory
                    self._stale.clear()
                    self._ingest.forget()
                if batch:
                    self._store(batch)
        except Exception:
            logger.exception("The storing loop ended")
        finally:
            connection.close()

    def _next_batch(self) -> list[mqtt.Message]:
        """At most BATCH_SIZE messages, collected for as long as the first may wait; none when none came for IDLE_S.

        While stopping it waits for none: what is queued goes in batches just as large.
        """
        if not self._inbox.wait(1, IDLE_S):
            return []
        if not self._stopping.is_set():
            flush_s = HURRIED_FLUSH_S if time.monotonic() < self._hurried_until else FLUSH_S
            self._inbox.wait(BATCH_SIZE, collecting_s(flush_s, self._took_s, self._inbox.waited_s))
        return self._inbox.take(BATCH_SIZE)

    def _store(self, batch: list[mqtt.Message]) -> None:
        """Commit, then acknowledge. While the database is away the same batch is tried again."""
        began = time.monotonic()
        outcome = self._commit(batch)
        self._took_s = time.monotonic() - began
        if outcome is None:
            return  # told to stop: the broker keeps what was not acknowledged
        self._client.ack(batch)
        self._inbox.let_go(batch)
        if self._mark and any(each.payload == self._mark for each in batch):
            self._drained.set()
        with self._lock:
            self._changed |= outcome
            self.counts.stored += outcome.stored
            self.counts.rejected += outcome.rejected

    def _commit(self, batch: list[mqtt.Message]) -> Outcome | None:
        wait_s = 0.5
        while True:
            try:
                return self._ingest.process(batch)
            except Error as error:
                if not is_passing(error):
                    raise
                logger.warning("The database cannot store now, trying again in %.1f s: %s", wait_s, first_line(error))
                connection.close()
            if self._stopping.wait(wait_s):
                return None
            wait_s = min(wait_s * 2, 10.0)


def is_passing(error: BaseException) -> bool:
    """Whether the database refuses for now only: no connection, no room, a conflict, an operator's stop."""
    cause = error.__cause__ if isinstance(error, Error) else error
    state = getattr(cause, "sqlstate", None)
    return state is None or str(state).startswith(PASSING_SQLSTATES)


def first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
