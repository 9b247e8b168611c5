"""Whatever people, machines, meters and time do: what always holds of switching.

The real tables, dispatcher and ingest; the Zigbee2MQTT and its meter are played by a few lines that know no more than
docs/zigbee2mqtt.md says.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from meters import commands, partitions
from meters.commands.pace import Pace
from meters.dispatch import Dispatcher
from meters.ingest import Ingest
from meters.models import Command, Meter, MeterState, Source, Want
from meters.mqtt import Message
from tests import make
from tests.meters.messages import COORDINATOR, IEEE, listed
from tests.properties import fewer

pytestmark = pytest.mark.django_db

BASE, NAME = "zigbee2mqtt", "101,2"
ANSWER_S = 35
FILTERED = {"device_options": {"filtered_cache": ["^state$", "^power$", "^current$", "^voltage$", "^energy$"]}}

SOURCES = st.sampled_from([Source.STAFF, Source.GUEST, Source.POLICY])
WANTS = st.tuples(SOURCES, st.booleans(), st.sampled_from([None, 20, 300]))
WAITS = st.sampled_from([1, 2, 2, 4, 4, 12, 36, 80, 1000])
ACTIONS = st.one_of(
    WANTS.map(lambda want: ("want", *want)),
    WANTS.map(lambda want: ("click", *want)),
    SOURCES.map(lambda source: ("end", source)),
    WAITS.map(lambda seconds: ("wait", seconds)),
    WAITS.map(lambda seconds: ("wait", seconds)),
    st.booleans().map(lambda on: ("press", on)),
    st.sampled_from([("mode", "obeys"), ("mode", "stuck"), ("mode", "deaf")]),
    st.sampled_from([("poll",), ("fail",)]),
    st.sampled_from([("cancel",), ("step",), ("deliver",), ("announce",)]),
)


@dataclass
class Word:
    """A message on its way to us. `relay`: the position where the meter itself tells it, not a cache or an echo."""

    message: Message
    relay: bool | None = None


@dataclass
class World:
    """One meter, its Zigbee2MQTT, the broker, and the clock; `now_s` is the time that has passed by `wait`."""

    is_filtered: bool
    relay: bool = False
    cached: bool = False
    mode: str = "obeys"
    now_s: float = 0.0
    connected_at: datetime | None = None
    asked: dict[int, datetime] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)
    sent: list[tuple[float, bool, int]] = field(default_factory=list)
    was_otherwise: bool = False
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.connected_at = timezone.now() - timedelta(hours=1)
        make.worker()
        reported = {"configuration": FILTERED if self.is_filtered else {}, "version": "2.14.1"}
        make.acting(base_topic=BASE, commands_per_s=1e6, reported=reported)
        self.ingest = Ingest(self.asked)
        self.says("bridge/devices", [COORDINATOR, listed(NAME)])
        self.says(f"{NAME}/availability", {"state": "online"})
        self.deliver()
        self.meter = Meter.objects.get()
        self.asked[self.meter.pk] = timezone.now()
        self.tells(state=True)
        self.deliver()
        self.dispatcher = Dispatcher(self)

    # --- the road, as the dispatcher sees it

    def hurry(self, for_s: float) -> None:
        pass

    def ask_position(self, meter_id: int, topic: str, at: datetime) -> None:
        self.asked[meter_id] = at
        self.publish(topic, '{"state":""}')

    def publish(self, topic: str, payload: str) -> None:
        told = json.loads(payload)
        if topic.endswith("/get"):
            if self.mode != "deaf":
                self.tells(state=True)
        elif "read" in told:
            if self.mode != "deaf":
                self.tells(current=1.0 if self.relay else 0.0)
        else:
            self.switched(told["state"] == "ON")

    def switched(self, on: bool) -> None:
        """A command has arrived: what must hold of it, then what the meter makes of it."""
        ruling = commands.in_force([self.meter.pk], timezone.now()).get(self.meter.pk)
        assert ruling is not None, "sent what nobody wants"
        assert ruling.state is on, "sent what is not in force"
        command = Command.objects.get(meter=self.meter, finished_at=None)
        earlier = [at for at, state, pk in self.sent if pk == command.pk]
        really_passed_s = time.monotonic() - self.began  # a busy machine's seconds count, too
        assert all(self.now_s + really_passed_s - at >= ANSWER_S for at in earlier), "repeated too soon"
        if self.sent and self.sent[-1][1] is on and self.now_s + really_passed_s - self.sent[-1][0] < ANSWER_S:
            first = Command.objects.get(pk=self.sent[-1][2])
            is_settled = first.failure or first.status == Command.Status.CONFIRMED or self.was_otherwise
            assert is_settled, "the same twice while the first is under way"
        self.sent.append((self.now_s, on, command.pk))
        self.was_otherwise = False
        if self.mode == "deaf":
            return
        self.tells()  # the acknowledgement repeats the cache
        self.relay = on if self.mode == "obeys" else self.relay
        self.cached = on
        self.says(NAME, {"state": "ON" if on else "OFF", "linkquality": 90, "last_seen": timezone.now().isoformat()})

    # --- what Zigbee2MQTT says

    def says(self, rest: str, told: Any, relay: bool | None = None) -> None:
        message = Message(f"{BASE}/{rest}", json.dumps(told).encode(), 1, False, timezone.now(), 1, 1)
        self.words.append(Word(message, relay))

    def tells(self, *, state: bool = False, **told: float) -> None:
        """The meter's own word; where positions are cached, each publish repeats the last one."""
        values: dict[str, Any] = {"linkquality": 90, "last_seen": timezone.now().isoformat()} | told
        if state:
            self.cached = self.relay
        if state or not self.is_filtered:
            values["state"] = "ON" if self.cached else "OFF"
        self.says(NAME, values, self.relay if state else None)

    def deliver(self) -> None:
        """What is on its way arrives; the reported relay moves only by the meter's own word."""
        words, self.words = self.words, []
        for word in words:
            before = self.reported
            self.ingest.process([word.message])
            after = self.reported
            assert after == before or after is word.relay, f"{after} was never told: {word.message.payload!r}"

    @property
    def reported(self) -> bool | None:
        return MeterState.objects.values_list("relay", flat=True).first()

    # --- what happens

    def act(self, name: str, *args: Any) -> None:
        getattr(self, f"do_{name}")(*args)
        opened = Command.objects.filter(status__in=Command.OPEN).values("meter").annotate(n=Count("pk"))
        assert all(row["n"] == 1 for row in opened), "two open commands"
        ruling = commands.in_force([self.meter.pk], timezone.now()).get(self.meter.pk)
        if ruling and self.sent and ruling.state is not self.sent[-1][1]:
            self.was_otherwise = True

    def do_want(self, source: str, state: bool, lasts_s: float | None) -> None:
        machine = source in (Source.CLEANING, Source.POLICY)
        until = timezone.now() + timedelta(seconds=lasts_s or 300) if machine or lasts_s else None
        commands.want(self.meter, source, state, until=until)

    def do_click(self, source: str, state: bool, lasts_s: float | None) -> None:
        """A want that the worker hears of at once, and what comes of it within a moment."""
        self.do_want(source, state, lasts_s)
        self.do_step()
        self.deliver()

    def do_end(self, source: str) -> None:
        commands.end(self.meter, source)

    def do_cancel(self) -> None:
        commands.cancel(Command.objects.filter(finished_at=None).values_list("pk", flat=True), None)

    def do_press(self, on: bool) -> None:
        self.relay = on
        self.tells(state=True)

    def do_mode(self, mode: str) -> None:
        self.mode = mode

    def do_poll(self) -> None:
        if self.mode != "deaf":
            self.tells(power=5)
        self.deliver()

    def do_announce(self) -> None:
        self.says("bridge/event", {"type": "device_announce", "data": {"friendly_name": NAME, "ieee_address": IEEE}})

    def do_fail(self) -> None:
        error = f"Error: ZCL command {IEEE}/1 genOnOff.on({{}}, {{}}) failed (Delivery failed for '4410'.)"
        line = f"z2m: Publish 'set' 'state' to '{NAME}' failed: '{error}'"
        self.says("bridge/logging", {"level": "error", "message": line})
        self.deliver()

    def do_deliver(self) -> None:
        self.deliver()

    def do_step(self) -> None:
        """Until there is nothing to do at once. A position that a step writes is the last word of the meter."""
        for _ in range(20):
            before, told = self.reported, self.cached
            wait_s = self.dispatcher.step()
            assert self.reported == before or self.reported is told
            if wait_s > 0.01:
                return
        raise AssertionError("it never comes to rest")

    def do_wait(self, seconds: float) -> None:
        """Time passes; no message is on its way for longer than 2 s."""
        if seconds > 2:
            self.deliver()
        make.later(seconds)
        self.now_s += seconds
        shift = timedelta(seconds=seconds)
        self.asked.update({meter: at - shift for meter, at in self.asked.items()})
        for word in self.words:
            word.message = word.message._replace(received_at=word.message.received_at - shift)
        MeterState.objects.update(heard_at=timezone.now())
        self.dispatcher._next_look, self.dispatcher._pace = 0.0, Pace()
        self.dispatcher._asked = {}
        self.do_step()

    def rest(self) -> None:
        """Nothing more happens, and the meter obeys."""
        self.mode, quiet = "obeys", 0
        for _ in range(40):
            self.deliver()
            self.do_wait(4)
            self.deliver()
            quiet = 0 if Command.objects.filter(finished_at=None).exists() else quiet + 1
            if quiet == 2:  # what came into force as the last one ended was looked at, too
                break


@pytest.fixture
def days() -> None:
    """Partitions outlive the examples."""
    partitions.ensure_for(timezone.now() + timedelta(days=day) for day in (-1, 0, 1))


# What once went wrong.
TWICE = [("mode", "deaf"), ("click", "guest", True, None), ("end", "guest"), ("click", "policy", True, 300)]
REPEATED = [("mode", "stuck"), ("click", "staff", True, None), ("fail",), ("poll",)]


@fewer(10)
@example(is_filtered=True, actions=TWICE, last=True)
@example(is_filtered=False, actions=REPEATED, last=True)
@given(is_filtered=st.booleans(), actions=st.lists(ACTIONS, min_size=8, max_size=20), last=st.booleans())
def test_whatever_happens_switching_keeps_its_promises(
    days: None, is_filtered: bool, actions: list[tuple[Any, ...]], last: bool
) -> None:
    with transaction.atomic():
        world = World(is_filtered)
        world.do_step()
        for action in actions:
            world.act(*action)
        world.rest()
        for want in commands.in_force([world.meter.pk], timezone.now()).values():
            assert want.hold or world.reported is want.state
        commands.want(world.meter, Source.STAFF, last)
        world.rest()
        assert (world.relay, world.reported) == (last, last)
        want = Want.objects.filter(source=Source.STAFF).latest("pk")
        assert (want.hold, want.fulfilled_at is None) == ("", False)
        transaction.set_rollback(True)
