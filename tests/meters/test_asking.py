"""Meters whose relay nobody has told are asked, gently."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from meters import online
from meters.asking import Asker
from meters.models import AreaState, Meter, MeterState
from meters.mqtt import NotConnected
from tests import make

pytestmark = pytest.mark.django_db


class Broker:
    """Takes what is published, or refuses while away."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        self.is_away = False

    def ask(self, meter: int, topic: str, at: datetime) -> None:
        if self.is_away:
            raise NotConnected
        self.sent.append((meter, topic))


def heard(meter: Meter, relay: bool | None) -> Meter:
    make.state(meter, relay=relay)
    return meter


def asked(broker: Broker, asker: Asker, rounds: int = 1, connected_at: datetime | None = None) -> list[str]:
    for _ in range(rounds):
        asker.consider(online.statuses(timezone.now()), connected_at)
        asker.ask()
    return [topic for _, topic in broker.sent]


def test_only_online_meters_with_an_unknown_relay_are_asked() -> None:
    make.worker()
    area = make.area(base_topic="z")
    silent = heard(make.meter(area=area), None)
    heard(make.meter(area=area), True)
    heard(make.meter(area=area, available=False), None)
    heard(make.meter(area=area, has_relay=False), None)
    make.meter(area=area)
    broker = Broker()
    assert asked(broker, Asker(broker.ask), 3) == [f"z/{silent.device.ieee_address}/get"]
    assert broker.sent[0][0] == silent.pk


def test_one_meter_of_each_area_a_round() -> None:
    make.worker()
    for base in ("a", "b"):
        area = make.area(base_topic=base)
        for _ in range(3):
            heard(make.meter(area=area), None)
    broker = Broker()
    asker = Asker(broker.ask)
    assert [topic[0] for topic in sorted(asked(broker, asker))] == ["a", "b"]
    assert len(asked(broker, asker, 5)) == 6


def test_who_could_not_be_asked_is_asked_later() -> None:
    make.worker()
    heard(make.meter(area=make.area()), None)
    broker = Broker()
    asker = Asker(broker.ask)
    broker.is_away = True
    assert asked(broker, asker) == []
    broker.is_away = False
    assert len(asked(broker, asker)) == 1


def test_after_an_absence_positions_are_asked_for_again() -> None:
    make.worker()
    now = timezone.now()
    area = make.area(base_topic="z", reported={"bridge_since": now - timedelta(minutes=9)})
    times = {"ours": 3, "zigbee2mqtt's": 12}
    meters = {who: make.meter(who, area=area) for who in times}
    for who, minutes in times.items():
        make.state(meters[who], relay=True, relay_at=now - timedelta(minutes=minutes))
    broker = Broker()
    asked(broker, Asker(broker.ask), 3, now - timedelta(hours=1))
    assert [meter for meter, _ in broker.sent] == [meters["zigbee2mqtt's"].pk], "told before its Zigbee2MQTT ran"
    broker.sent.clear()
    asker = Asker(broker.ask)
    asked(broker, asker, 5, now - timedelta(minutes=2))
    assert {meter for meter, _ in broker.sent} == {meter.pk for meter in meters.values()}, "told before we listened"
    assert len(broker.sent) == 2, "once"


def test_who_was_asked_before_an_absence_is_asked_after_it_again() -> None:
    """Two restarts of a Zigbee2MQTT within minutes: the answer of in between tells nothing of now."""
    make.worker()
    meter = heard(make.meter(area=make.area()), True)
    broker = Broker()
    asker = Asker(broker.ask)
    for times in (1, 2):
        now = timezone.now()
        AreaState.objects.update(bridge_since=now)
        MeterState.objects.filter(meter=meter).update(relay_at=now - timedelta(seconds=1))
        assert len(asked(broker, asker, 3)) == times
