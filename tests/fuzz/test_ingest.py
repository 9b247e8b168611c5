"""Hostile messages among good ones: the good ones are stored, the bad ones told, and nothing grows without bounds.

What the parser lets through the database takes: nothing is found by halving a batch.
"""

from __future__ import annotations

from random import Random

import pytest
from django.db.models import Sum
from hypothesis import given, note
from hypothesis import strategies as st

from meters import areas, rejected
from meters.ingest import Ingest
from meters.models import FoundInstance, Listing, Meter, Reading, RejectedMessage
from meters.mqtt import Message
from meters.zigbee2mqtt.bridge import MOST_DEVICES
from tests import make
from tests.fuzz.hearsay import Heard
from tests.fuzz.targets import TARGETS, parted
from tests.meters.messages import inventory, listed, message, state
from tests.properties import fewer

pytestmark = pytest.mark.django_db
GOOD, BAD, UNKNOWN = "z2m_good", "z2m_bad", "z2m_new"
OURS = "0x00124b00aabbcc01"
SEEDS = [parted(path.read_bytes()) for path in (*TARGETS["message"].seeds(), *TARGETS["message"].found())]


def hostile(chance: Random, base: str, minute: float) -> Message:
    """Of some kind that Zigbee2MQTT sends, changed, on a topic of its own or of another kind."""
    topic, payload = chance.choice(SEEDS)
    if chance.random() < 0.2:
        topic = chance.choice(SEEDS)[0]
    payload = TARGETS["message"].mutate(topic.encode() + b"\n" + payload, chance).partition(b"\n")[2]
    retained = chance.random() < 0.3
    return message(f"{base}/{topic}", payload, retained=retained, minute=minute, generation=chance.choice([1, 1, 1, 2]))


def codes() -> dict[str, int]:
    return dict(RejectedMessage.objects.values_list("code").annotate(Sum("count")))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def ingest() -> Ingest:
    for base in (GOOD, BAD):
        make.area(base, base_topic=base)
    ingest = Ingest()
    ingest.process([inventory(GOOD, listed("101,2", OURS)), inventory(BAD, listed("area2-plug-001"))])
    return ingest


@fewer(4)
@given(chance=st.randoms(use_true_random=False), size=st.integers(1, 30))
def test_a_batch_of_hostile_messages_stops_no_good_one(ingest: Ingest, heard: Heard, chance: Random, size: int) -> None:
    begin, before = chance.randrange(60 * 24), sum(codes().values())
    good = [state(GOOD, "101,2", begin + n / 10, energy=100, device={"ieeeAddr": OURS}) for n in range(3)]
    batch = [hostile(chance, chance.choice([BAD, BAD, UNKNOWN]), begin) for _ in range(size)]
    for each in good:
        batch.insert(chance.randint(0, len(batch)), each)
    note(repr([(each.topic, each.payload) for each in batch]))
    heard.note(batch)
    outcome = ingest.process(batch)
    stored = Reading.objects.filter(meter__in=Meter.objects.filter(device__ieee_address=OURS))
    assert set(stored.values_list("measured_at", flat=True)) >= {each.received_at for each in good}
    assert "not_storable" not in codes(), RejectedMessage.objects.filter(code="not_storable").values()
    assert sum(codes().values()) - before == outcome.rejected
    assert not heard.untold()


@fewer(8)
@given(chance=st.randoms(use_true_random=False))
def test_whatever_an_area_tells_for_long_fits_its_tables_which_stay_bounded(
    ingest: Ingest, heard: Heard, chance: Random
) -> None:
    """All of it comes from the area that the good meter is in; each batch is stored, and the next one builds on it."""
    for minute in range(5):
        batch = [hostile(chance, chance.choice([GOOD, GOOD, UNKNOWN]), minute) for _ in range(chance.randint(1, 12))]
        note(repr([(each.topic, each.payload) for each in batch]))
        heard.note(batch)
        ingest.process(batch)
    assert not heard.untold()
    assert "not_storable" not in codes(), RejectedMessage.objects.filter(code="not_storable").values()
    assert RejectedMessage.objects.count() <= rejected.MOST_ROWS
    assert FoundInstance.objects.count() <= areas.MOST_FOUND
    assert Listing.objects.filter(area__base_topic=GOOD).count() <= MOST_DEVICES


def test_three_thousand_bad_topics_leave_a_thousand_rows(ingest: Ingest) -> None:
    for base in ("north", "south", "west"):
        ingest.process([message(f"{base}{n}/bridge/info", b"{", minute=1) for n in range(500)])
        ingest.process([message(f"{GOOD}/nobody {base} {n}", {"linkquality": 1}, minute=1) for n in range(500)])
    assert RejectedMessage.objects.count() == rejected.MOST_ROWS
    ingest.process([message(f"found{n}/bridge/state", b"online", minute=1) for n in range(300)])
    assert FoundInstance.objects.count() == areas.MOST_FOUND
