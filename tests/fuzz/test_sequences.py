"""Any order of messages and events, good and spoilt, with restarts between them: what must always hold, holds.

Energy never falls, the hours sum to the counters, what is stored was said, one want is open for each source, lines of
the ledger do not overlap.
"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Count
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from bookings import inbox
from bookings.models import StayMeter, WebhookEvent
from bookings.power import follow
from meters.ingest import Ingest
from meters.models import CounterEpoch, HourlyUsage, Meter, MeterState, RejectedMessage, Want
from meters.mqtt import Message
from tests import make
from tests.bookings import sirvoy
from tests.fuzz import mutation
from tests.fuzz.hearsay import Heard
from tests.fuzz.test_ingest import hostile
from tests.meters.messages import IEEE, inventory, listed, message, state
from tests.properties import fewer

pytestmark = pytest.mark.django_db
B, NAME = "z2m_seq", "101,2"
chances = st.randoms(use_true_random=False)


class TakenBack(RuleBasedStateMachine):
    """What a run leaves in the tables goes when it ends."""

    def __init__(self) -> None:
        super().__init__()
        self._transaction = transaction.atomic()
        self._transaction.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._transaction.__exit__(None, None, None)


class Messages(TakenBack):
    """One meter, told of by its Zigbee2MQTT; a clock that goes on, and messages that come late."""

    minute, kwh, generation = 0.0, 100.0, 1
    billed: Decimal = Decimal(0)

    @initialize(fresh=st.booleans())
    def area(self, fresh: bool) -> None:
        make.area(B, base_topic=B)
        self.ingest, self.heard = Ingest(), Heard()
        config = {"device_options": {"filtered_cache": ["^(state|energy|power)$"] if fresh else []}}
        self.tell(inventory(B, listed(NAME)), message(f"{B}/bridge/info", {"config": config}))

    def tell(self, *messages: Message) -> None:
        self.heard.note(messages)
        self.ingest.process(messages)

    @rule(minutes=st.sampled_from([0.1, 1, 7, 90, 700]), wh=st.integers(0, 3000), by_address=st.booleans())
    def report(self, minutes: float, wh: int, by_address: bool) -> None:
        self.minute, self.kwh = self.minute + minutes, self.kwh + wh / 1000
        self.tell(self.said(self.minute, self.kwh, **({"device": {"ieeeAddr": IEEE}} if by_address else {})))

    def said(self, minute: float, kwh: float, **told: Any) -> Message:
        said = state(B, NAME, minute, energy=round(kwh, 3), power=chance_of_watts(minute), **told)
        return said._replace(generation=self.generation)

    @rule(minutes=st.integers(0, 300), more=st.integers(0, 5))
    def kept_by_the_broker(self, minutes: int, more: int) -> None:
        """Whatever it says, nobody heard it just now."""
        self.tell(self.said(self.minute + minutes, self.kwh + more, state="ON")._replace(retained=True))

    @rule(ago=st.floats(0, 300), less=st.floats(0, 2))
    def late(self, ago: float, less: float) -> None:
        """An older one comes after the newer: what it tells may fit, or not."""
        told = self.said(max(0, self.minute - ago), max(0, self.kwh - less))
        self.tell(told, told)

    @rule(kwh=st.sampled_from([0.0, 0.5, 99.0, 5000.0, 2_000_000.0]), times=st.integers(1, 4))
    def jump(self, kwh: float, times: int) -> None:
        """A counter that was reset, replaced or went mad."""
        for _ in range(times):
            self.minute += 1
            self.tell(self.said(self.minute, kwh))
        self.kwh = kwh if times > 3 else self.kwh

    @rule(chance=chances)
    def spoilt(self, chance: Random) -> None:
        good = self.said(self.minute, self.kwh)
        self.tell(message(good.topic, mutation.mutated(good.payload, chance), minute=self.minute))

    @rule(chance=chances)
    def hostile(self, chance: Random) -> None:
        self.tell(hostile(chance, B, self.minute))

    @rule(name=st.sampled_from([NAME, "102"]))
    def inventory(self, name: str) -> None:
        self.tell(inventory(B, listed(name), minute=self.minute, generation=self.generation))
        self.tell(inventory(B, listed(NAME), minute=self.minute, generation=self.generation))

    @rule()
    def restart(self) -> None:
        self.generation += 1
        self.ingest = Ingest()

    @invariant()
    def what_is_billed_never_falls(self) -> None:
        now = MeterState.objects.filter(meter__device__ieee_address=IEEE).values_list("energy_kwh", flat=True).first()
        assert (now or 0) >= self.billed
        self.billed = now or self.billed

    @invariant()
    def hours_sum_to_the_counters(self) -> None:
        for meter in Meter.objects.all():
            epochs = CounterEpoch.objects.filter(meter=meter).values_list("first_wh", "last_wh")
            counted = sum(last - first for first, last in epochs)
            assert counted == sum(HourlyUsage.objects.filter(meter=meter).values_list("energy_wh", flat=True))
            billed = MeterState.objects.filter(meter=meter).values_list("energy_kwh", flat=True).first()
            assert counted == int((billed or 0) * 1000)

    @invariant()
    def what_is_stored_was_said(self) -> None:
        assert not self.heard.untold()

    @invariant()
    def all_that_was_read_was_stored(self) -> None:
        assert not RejectedMessage.objects.filter(code="not_storable").exists()


def chance_of_watts(minute: float) -> int:
    return int(minute * 37) % 3000


class Events(TakenBack):
    """Two bookings of Sirvoy's on two pitches, told in any order, good and spoilt, processed and replayed."""

    made = 0

    @initialize()
    def pitches(self) -> None:
        make.tariff()
        self.meters = [make.switchable(f"{number},1", relay=True) for number in ("101", "102")]
        for meter, number in zip(self.meters, ("101", "102"), strict=True):
            make.installed(meter, make.pitch(number), since=sirvoy.NOON - timedelta(days=60))
            make.counted(meter, "10", sirvoy.NOON - timedelta(days=50))

    @rule(
        number=st.sampled_from([sirvoy.NUMBER, sirvoy.NUMBER + 1]),
        rooms=st.lists(st.sampled_from(["101", "102", "103"]), max_size=2),
        flags=st.fixed_dictionaries({"came": st.booleans(), "left": st.booleans(), "cancelled": st.booleans()}),
        minute=st.integers(0, 60 * 24 * 30),
        chance=chances,
        is_spoilt=st.booleans(),
    )
    def event(self, number: int, rooms: list[str], flags: Any, minute: int, chance: Random, is_spoilt: bool) -> None:
        told = sirvoy.booking(*map(sirvoy.room, rooms), number=number, minute=minute, **flags)
        body = json.dumps(told).encode()
        self.made += 1
        now = sirvoy.NOON + timedelta(minutes=self.made)
        event = inbox.store(None, mutation.mutated(body, chance) if is_spoilt else body, now)
        inbox.process(event.pk, now)

    @rule(place=st.integers(0, 5))
    def replay(self, place: int) -> None:
        events = WebhookEvent.objects.order_by("pk").values_list("pk", flat=True)
        inbox.replay(events[place : place + 2], None, sirvoy.NOON + timedelta(minutes=self.made))

    @rule(days=st.integers(0, 10))
    def policy(self, days: int) -> None:
        follow.apply(None, sirvoy.NOON + timedelta(days=days))

    @invariant()
    def one_want_is_open_for_each_source(self) -> None:
        open_now = Want.objects.filter(ended_at=None).values("meter", "source").annotate(many=Count("pk"))
        assert not open_now.filter(many__gt=1).exists()

    @invariant()
    def lines_of_one_meter_do_not_overlap(self) -> None:
        for meter in self.meters if hasattr(self, "meters") else []:
            periods = [line.period for line in StayMeter.objects.filter(meter=meter).order_by("period")]
            for earlier, later in pairwise(periods):
                assert earlier.upper is not None
                assert earlier.upper <= later.lower

    @invariant()
    def no_event_was_a_mistake_of_ours(self) -> None:
        assert not WebhookEvent.objects.filter(reason__contains=".py:").exists()


@pytest.mark.parametrize("machine", [Messages, Events])
def test_whatever_comes_in_whatever_order_what_must_hold_holds(machine: type[TakenBack]) -> None:
    run_state_machine_as_test(machine, settings=settings(fewer(20), stateful_step_count=20))
