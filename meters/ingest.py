"""From a batch of MQTT messages to committed rows: each message to the module that owns what it tells.

A bad message never stops a good one: what the parser refuses is counted and sampled; what the database refuses is found
by halving the batch. The whole batch is one transaction, so that what is acknowledged is stored.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DataError, Error, IntegrityError, transaction

from meters import areas, directory, readings, registry, rejected, requests, zigbee2mqtt
from meters.answers import Answers
from meters.batch import Outcome, Pass
from meters.directory import AreaEntry, Directory, Known
from meters.mqtt import Message
from meters.shards import Shard
from meters.zigbee2mqtt import Rejected

logger = logging.getLogger(__name__)

AHEAD = timedelta(minutes=2)
"""A time further ahead than this is refused."""
DISCOVERY = ("bridge/state", "bridge/info")
NOTED_EVERY = timedelta(seconds=5)
"""That an area lives is noted so often, not for each message."""
MOST_EARLY = 5000
TRUST_AFTER = timedelta(seconds=60)
"""Names are trusted for billing once this connection has brought the area's inventory, or has stood for so long."""


class Ingest:
    """Keeps the directory between batches. Not for use by two threads.

    `asked`: when a meter (by id) was last asked for its relay's position; others may write it. `shard`: whose areas.
    """

    def __init__(self, asked: Mapping[int, datetime] | None = None, shard: Shard | None = None) -> None:
        self._shard = shard or Shard()
        self._answers = Answers({} if asked is None else asked)
        self._directory: Directory | None = None
        self._connected: tuple[int, datetime] | None = None
        self._inventories: dict[int, int] = {}  # area → generation of the connection that brought its inventory
        self._noted: dict[int, datetime] = {}  # area → when it was last noted that it lives
        self._early: dict[tuple[int, str], bool] = {}  # (area, name) → available, told before the inventory

    def forget(self) -> None:
        """The tables were changed by somebody else: read them anew."""
        self._directory = None

    def process(self, batch: Sequence[Message]) -> Outcome:
        """Store a batch. Raises django.db.OperationalError (and the like) when the database cannot be reached: nothing
        is stored then, and the batch may be tried again."""
        connected = self._connected
        try:
            with transaction.atomic():
                work = self._process(batch)
            self._remember(work)
            return work.outcome
        except Exception as error:
            self._take_back(connected)
            if isinstance(error, Error) and not isinstance(error, DataError | IntegrityError):
                raise
            if not isinstance(error, Error):
                logger.exception("A message could not be processed")
            return self._halve(batch, error)

    def _take_back(self, connected: tuple[int, datetime] | None) -> None:
        """What was noted in memory of a batch that was not stored: it comes again, whole or by halves."""
        self._connected = connected
        self._answers.forget()
        self.forget()

    def _halve(self, batch: Sequence[Message], error: Exception) -> Outcome:
        """Find the message that the database (or we) cannot take; all others are stored."""
        if len(batch) == 1:
            message = batch[0]
            detail = f"{type(error).__name__}: {error}"
            rejected.note(
                [rejected.Refusal(message.topic, "not_storable", detail, message.payload, message.received_at)]
            )
            return Outcome(rejected=1)
        middle = len(batch) // 2
        return self.process(batch[:middle]) | self.process(batch[middle:])

    # --- one transaction ---------------------------------------------------------------------------------------------

    def _process(self, batch: Sequence[Message]) -> Pass:
        work = Pass(timedelta(days=settings.READINGS_KEPT_DAYS))
        for message in batch:
            self._note_connection(message)
            try:
                self._route(work, message)
            except Rejected as error:
                refusal = rejected.Refusal(
                    message.topic, error.code, error.detail, message.payload, message.received_at
                )
                work.refusals.append(refusal)
        outcome = work.outcome
        outcome.meters |= readings.store(work.reports) | work.proofs.changed
        rejected.note(work.refusals)
        now = batch[-1].received_at
        for base_topic, (at, info) in list(work.found.items())[-areas.MOST_FOUND :]:
            areas.note_found(base_topic, at, info)
        registry.note_heard(work.others)
        registry.note_updating(work.updating)
        if work.heard:
            registry.note_available(work.heard)
        if work.outage_memories:
            registry.note_outage_memory(work.outage_memories)
            self.forget()
        if work.returned and registry.note_returned(work.returned):
            self.forget()
        outcome.areas.update(self._note_live(work, now))
        work.proofs.tell()
        outcome.stored, outcome.rejected = len(work.reports), len(work.refusals)
        return work

    def _remember(self, work: Pass) -> None:
        """What was committed may be built upon."""
        self._inventories |= work.inventories
        self._noted |= work.noted
        for area in work.inventories:
            self._early = {key: told for key, told in self._early.items() if key[0] != area}
        self._early |= work.early

    def _note_connection(self, message: Message) -> None:
        if self._connected is None or message.generation != self._connected[0]:
            self._connected = (message.generation, message.received_at)
            areas.forget_retained_commands(
                self._shard.ids
            )  # the broker has just told those that still lie there, or will
            self._noted, self._early = {}, {}

    def _note_live(self, work: Pass, now: datetime) -> list[int]:
        due = {a for a in work.heard_areas if a not in self._noted or now - self._noted[a] > NOTED_EVERY}
        work.noted |= dict.fromkeys(due, now)
        return areas.note_live(due, now) if due else []

    def _known(self) -> Directory:
        if self._directory is None:
            self._directory = directory.load(self._shard.ids)
        return self._directory

    def _route(self, work: Pass, message: Message) -> None:
        located = self._known().locate(message.topic)
        if located is None:
            self._discover(work, message)
            return
        area, rest = located
        told = self._parsed(area, rest, message)
        if not message.retained and not isinstance(told, zigbee2mqtt.Ignored):
            work.heard_areas.add(area.id)  # commands, our own too, are no sign of life
        at = message.received_at
        if (message.retained or not message.payload) and zigbee2mqtt.is_command(rest):
            work.outcome.areas.update(areas.note_retained_command(area.id, rest, lies=bool(message.payload)))
        match told:
            case zigbee2mqtt.State():  # nearly all are
                self._state(work, area, told, message)
            case zigbee2mqtt.Event() | zigbee2mqtt.LogLine() | zigbee2mqtt.Response() if message.retained:
                pass  # of its moment, which is over: somebody else left it on the broker
            case zigbee2mqtt.Availability():
                self._availability(work, area, told, message)
            case zigbee2mqtt.Inventory():
                self._inventory(work, area, told, message)
            case zigbee2mqtt.LogLine() if told.level == "error":
                if complaint := zigbee2mqtt.parse_complaint(told.text):
                    work.proofs.complain(area.id, complaint, at)
                elif zigbee2mqtt.is_of_lost_adapter(told.text):
                    areas.note_lost_coordinator(area.id, at)
            case zigbee2mqtt.Response():
                requests.answer(area.id, told, at)
            case _:
                self._bridge(work, area, told, message)

    def _parsed(self, area: AreaEntry, rest: str, message: Message) -> zigbee2mqtt.Message:
        """Raises Rejected; a backup that cannot be read is an answer all the same."""
        try:
            return zigbee2mqtt.parse(rest, message.payload, area.names)
        except Rejected as error:
            if rest == requests.BACKUP_ANSWER and not message.retained:
                requests.note_unreadable_backup(area.id, error, message.received_at)
            raise

    def _bridge(self, work: Pass, area: AreaEntry, told: zigbee2mqtt.Message, message: Message) -> None:
        """What a Zigbee2MQTT tells of itself."""
        at = message.received_at
        match told:
            case zigbee2mqtt.BridgeState():
                if areas.apply_bridge_state(area.id, told.online, at, is_live=not message.retained):
                    work.outcome.areas.add(area.id)
            case zigbee2mqtt.BridgeInfo():
                areas.apply_info(area.id, told, at)
                work.outcome.areas.add(area.id)
                self.forget()  # what is fresh may have changed
            case zigbee2mqtt.Groups():
                areas.apply_groups(area.id, told)
                self.forget()
            case zigbee2mqtt.Health():
                _refuse_future(told.generated_at, at)  # it would be the newest for ever, and never be forgotten
                areas.add_health(area.id, told)
            case zigbee2mqtt.Event():
                if registry.apply_event(area.id, told, at):
                    self.forget()  # not for each: when power returns to the campsite, all devices announce themselves
                work.outcome.all_changed = True

    def _discover(self, work: Pass, message: Message) -> None:
        base_topic, _, kind = message.topic.rpartition("/bridge/")
        if not base_topic or f"bridge/{kind}" not in DISCOVERY or not message.payload:
            return
        if base_topic in self._known().elsewhere:
            return
        told = zigbee2mqtt.parse(f"bridge/{kind}", message.payload)
        _, known = work.found.pop(base_topic, (None, None))
        info = told if isinstance(told, zigbee2mqtt.BridgeInfo) else known
        work.found[base_topic] = message.received_at, info

    def _inventory(self, work: Pass, area: AreaEntry, told: zigbee2mqtt.Inventory, message: Message) -> None:
        registry.apply_inventory(area.id, told.devices, message.received_at, told.unreadable)
        areas.note_inventory(area.id, message.received_at)
        for error in told.refused:
            refusal = rejected.Refusal(message.topic, error.code, error.detail, b"", message.received_at)
            work.refusals.append(refusal)
        work.inventories[area.id] = message.generation
        for device in told.devices:
            key = area.id, device.friendly_name
            if (available := work.early.pop(key, self._early.get(key))) is not None:
                registry.set_available(area.id, device.ieee_address, available, message.received_at)
        work.outcome.all_changed = True
        self.forget()

    def _availability(self, work: Pass, area: AreaEntry, told: zigbee2mqtt.Availability, message: Message) -> None:
        ieee_address = area.names.get(told.name)
        if ieee_address is None:
            # Of a device that joins it is told before the device is listed; brokers hand out what they retain in any
            # order. But the retained word on a device that was removed stays on the broker: no news.
            is_news = not (message.retained and self._has_inventory(work, area, message))
            if is_news and told.name not in area.groups and len(self._early) < MOST_EARLY:
                work.early[area.id, told.name] = told.online
            return
        registry.set_available(area.id, ieee_address, told.online, message.received_at)
        known = self._known().devices.get(ieee_address)
        if known and known.meter_id:
            work.outcome.meters.add(known.meter_id)
        else:
            work.outcome.all_changed = True

    def _state(self, work: Pass, area: AreaEntry, state: zigbee2mqtt.State, message: Message) -> None:
        if message.retained or state.is_from_cache or state.name in area.groups:
            return  # nothing was heard from a device just now
        directory = self._known()
        measured_at = _measured_at(state, message.received_at, work.kept, directory.kept_from)
        known = directory.devices.get(state.ieee_address or area.names.get(state.name, ""))
        if known is None:
            raise Rejected("unknown_device", state.ieee_address or state.name)
        if known.area_id != area.id:
            known = self._claim(known, area)
            work.outcome.all_changed = True
        if known.has_left:
            work.returned.add(known.device_id)
        if measured_at >= work.heard.get(known.device_id, measured_at):
            work.heard[known.device_id] = measured_at
        if state.outage_memory and state.outage_memory != known.outage_memory:
            work.outage_memories[known.device_id] = state.outage_memory
        if state.is_updating:
            work.updating[known.device_id] = message.received_at
        if known.meter_id is None:
            work.others[known.device_id] = measured_at
            return
        counts = state.ieee_address is not None or self._is_trusted(work, area, message)
        said = work.proofs.weigh(known, state, message.received_at)
        is_answer, has_moved = self._answers.weigh(known, said.relay, message.received_at)
        if has_moved:
            work.outcome.moved.add(known.meter_id)
        if is_answer:
            known = replace(known, fresh=known.fresh | {"state"})
        elif said.relay is not None and "state" not in known.fresh:
            said = said._replace(relay=None)  # may be a cache's repeat, of somebody's wish even: asked if it is news
        work.reports.append(readings.Report(known, said, measured_at, counts))

    def _claim(self, known: Known, area: AreaEntry) -> Known:
        """Heard live in another area than the one that owned it."""
        if known.ieee_address not in area.names.values():
            raise Rejected("unknown_device", known.ieee_address)
        registry.claim(known.device_id, area.id)
        self.forget()
        return self._known().devices[known.ieee_address]

    def _has_inventory(self, work: Pass, area: AreaEntry, message: Message) -> bool:
        """Whether this connection has brought the area's inventory."""
        return (self._inventories | work.inventories).get(area.id) == message.generation

    def _is_trusted(self, work: Pass, area: AreaEntry, message: Message) -> bool:
        """Whether the area's names are sure to be today's: while we were away a name may have gone to another meter."""
        if self._connected is None:
            return False
        _, connected_at = self._connected
        return self._has_inventory(work, area, message) or message.received_at - connected_at > TRUST_AFTER


def _measured_at(
    state: zigbee2mqtt.State, received_at: datetime, kept: timedelta, kept_from: datetime | None
) -> datetime:
    """When the device was heard; the time of receipt where this Zigbee2MQTT tells none. Raises Rejected."""
    if state.last_seen is None:
        return received_at
    if state.last_seen > received_at:
        _refuse_future(state.last_seen, received_at)
    if state.last_seen < received_at - kept or (kept_from and state.last_seen < kept_from):
        raise Rejected("before_retention", state.last_seen.isoformat())
    return state.last_seen


def _refuse_future(told: datetime, received_at: datetime) -> None:
    if told > received_at + AHEAD:
        raise Rejected("from_the_future", told.isoformat())
