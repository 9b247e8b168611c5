"""What a meter's energy stood at: provisional at first, settled by what the meter tells, asked for meanwhile."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from meters import directory, online, readings, snapshots, tasks
from meters.asking import COUNTER, CounterAsker
from meters.models import Meter, Reading, Snapshot
from meters.mqtt import NotConnected
from meters.zigbee2mqtt import State
from tests import make

pytestmark = pytest.mark.django_db

T0 = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
FRESH = frozenset({"power", "energy"})
CACHED: frozenset[str] = frozenset()
NOTHING = State("x", None, None, 100, None, None, None, None, None, {})
Quality = Snapshot.Quality


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def tell(
    meter: Meter, minute: float, wh: int | None, power_w: int | None = None, fresh: frozenset[str] = FRESH
) -> None:
    known = replace(directory.load().devices[meter.device.ieee_address], fresh=fresh)
    state = NOTHING._replace(counter_wh=wh, power_w=power_w)
    readings.store([readings.Report(known, state, at(minute))])


def told(snapshot: Snapshot) -> tuple[str, str, bool]:
    snapshot.refresh_from_db()
    return str(snapshot.energy_kwh), snapshot.quality, snapshot.settled_at is not None


@pytest.fixture
def meter() -> Meter:
    return make.meter("101", area=make.area(base_topic="z"))


# --- the energy at a moment ------------------------------------------------------------------------------------------


def test_a_meter_that_never_told_its_counter_stands_at_nothing(meter: Meter) -> None:
    assert snapshots.energy_at(meter.pk, T0) == (Decimal(0), Quality.WAITING, None)
    assert snapshots.energy_now([meter.pk]) == {meter.pk: (Decimal(0), Quality.WAITING, None)}


def test_between_two_readings_the_energy_rises_evenly(meter: Meter) -> None:
    tell(meter, 0, 5000)
    tell(meter, 60, 6000)
    assert snapshots.energy_at(meter.pk, at(15)) == (Decimal("0.250"), Quality.ESTIMATED, at(0))
    assert snapshots.energy_at(meter.pk, at(59)) == (Decimal("0.983"), Quality.READ, at(60))
    assert snapshots.energy_at(meter.pk, at(60)) == (Decimal(1), Quality.READ, at(60))


def test_after_the_last_reading_the_last_value_is_told_as_not_yet_known(meter: Meter) -> None:
    tell(meter, 0, 5000)
    tell(meter, 60, 6000)
    assert snapshots.energy_at(meter.pk, at(61)) == (Decimal(1), Quality.WAITING, at(60))
    assert snapshots.energy_now([meter.pk])[meter.pk] == (Decimal(1), Quality.WAITING, at(60))


def test_two_equal_values_leave_nothing_to_estimate(meter: Meter) -> None:
    tell(meter, 0, 5000)
    tell(meter, 60, 5000)
    assert snapshots.energy_at(meter.pk, at(30)) == (Decimal(0), Quality.READ, at(0))


def test_a_counter_that_fell_goes_on_where_the_energy_stood(meter: Meter) -> None:
    for minute, wh in ((0, 5000), (10, 6000), (20, 0), (30, 100), (40, 200)):
        tell(meter, minute, wh)
    assert snapshots.energy_at(meter.pk, at(15)).kwh == Decimal(1)
    assert snapshots.energy_at(meter.pk, at(25)).kwh == Decimal("1.050")
    assert snapshots.energy_at(meter.pk, at(40)).kwh == Decimal("1.200")


def test_a_value_that_is_not_believed_settles_nothing(meter: Meter) -> None:
    tell(meter, 0, 5000)
    taken = snapshots.take(meter, at(5), at(5))
    tell(meter, 10, 900_000)
    snapshots.settle_due(at(11))
    assert told(taken) == ("0.000", Quality.WAITING, False)
    tell(meter, 20, 5100)
    snapshots.settle_due(at(21))
    assert told(taken) == ("0.025", Quality.ESTIMATED, True)


def test_the_epochs_tell_the_energy_where_raw_readings_are_gone(meter: Meter) -> None:
    tell(meter, 0, 5000)
    tell(meter, 60, 6000)
    Reading.objects.all().delete()
    assert snapshots.energy_at(meter.pk, at(70)).kwh == Decimal(1)


# --- taking and settling ---------------------------------------------------------------------------------------------


def test_the_same_moment_of_a_meter_is_one_snapshot(meter: Meter) -> None:
    assert snapshots.take(meter, T0, T0) == snapshots.take(meter, T0, at(5))


def test_a_snapshot_is_settled_by_the_next_value_of_the_counter(meter: Meter) -> None:
    tell(meter, 0, 5000)
    taken = snapshots.take(meter, at(30), at(30))
    assert told(taken) == ("0.000", Quality.WAITING, False)
    assert snapshots.settle_due(at(31)) == 0
    tell(meter, 60, 6000)
    assert snapshots.settle_due(at(61)) == 1
    assert told(taken) == ("0.500", Quality.ESTIMATED, True)
    assert snapshots.settle_due(at(62)) == 0


def test_a_value_within_two_minutes_is_read(meter: Meter) -> None:
    tell(meter, 0, 5000)
    taken = snapshots.take(meter, at(59), at(59))
    tell(meter, 60, 6000)
    snapshots.settle_due(at(61))
    assert told(taken) == ("0.983", Quality.READ, True)


def test_a_moment_in_the_past_is_settled_at_once(meter: Meter) -> None:
    tell(meter, 0, 5000)
    tell(meter, 60, 6000)
    assert told(snapshots.take(meter, at(30), at(90))) == ("0.500", Quality.ESTIMATED, True)


def test_an_unsettled_value_follows_what_is_known_so_that_no_line_is_negative(meter: Meter) -> None:
    tell(meter, 0, 5000)
    first, second = (snapshots.take(meter, at(minute), at(20)) for minute in (10, 20))
    tell(meter, 15, 5900)
    snapshots.settle_due(at(21))
    assert told(first) == ("0.600", Quality.ESTIMATED, True)
    assert told(second) == ("0.900", Quality.WAITING, False)


def test_after_a_day_of_silence_the_last_value_stands_until_the_meter_speaks_again(meter: Meter) -> None:
    tell(meter, 0, 5000)
    taken = snapshots.take(meter, at(60), at(60))
    day = 24 * 60
    snapshots.settle_due(at(60 + day))
    assert told(taken) == ("0.000", Quality.LAST_KNOWN, False)
    assert snapshots.waiting(at(61 + day)) == []
    tell(meter, 100 * 60, 15_000)
    snapshots.settle_due(at(100 * 60))
    assert told(taken) == ("0.100", Quality.ESTIMATED, True)


def test_what_is_settled_stays_and_bounds_what_is_settled_later(meter: Meter) -> None:
    tell(meter, 0, 5000)
    tell(meter, 60, 6000)
    settled = snapshots.take(meter, at(30), at(61))
    tell(meter, 45, 5010)
    later = snapshots.take(meter, at(40), at(62))
    assert told(settled)[0] == "0.500"
    assert told(later)[0] == "0.500"


def test_the_minutely_job_settles_without_a_worker(meter: Meter) -> None:
    tell(meter, 0, 5000)
    taken = snapshots.take(meter, at(30), at(30))
    tell(meter, 60, 6000)
    tasks.settle_snapshots()
    assert told(taken)[2]


# --- an equal answer, where Zigbee2MQTT repeats its cache ------------------------------------------------------------


def asked(meter: Meter, minute: float) -> Snapshot:
    taken = snapshots.take(meter, at(minute), at(minute))
    snapshots.note_asked(meter.pk, at(minute))
    return taken


def test_an_equal_value_soon_after_our_question_is_an_answer(meter: Meter) -> None:
    tell(meter, 0, 5000, power_w=0, fresh=CACHED)
    taken = asked(meter, 30)
    tell(meter, 30.1, 5000, fresh=CACHED)
    assert snapshots.settle_due(at(31)) == 1
    assert told(taken) == ("0.000", Quality.READ, True)
    assert taken.known_at == at(30.1)


@pytest.mark.parametrize("minute", [29.9, 31])
def test_an_equal_value_at_another_time_is_a_repeat_of_the_cache(meter: Meter, minute: float) -> None:
    tell(meter, 0, 5000, power_w=0, fresh=CACHED)
    taken = asked(meter, 30)
    tell(meter, minute, 5000, fresh=CACHED)
    assert snapshots.settle_due(at(32)) == 0
    assert told(taken)[1] == Quality.WAITING


def test_an_equal_value_nobody_asked_for_is_a_repeat_of_the_cache(meter: Meter) -> None:
    tell(meter, 0, 5000, power_w=0, fresh=CACHED)
    snapshots.take(meter, at(30), at(30))
    tell(meter, 30.1, 5000, fresh=CACHED)
    assert snapshots.settle_due(at(31)) == 0


def test_an_equal_value_is_not_believed_when_power_has_flowed_since(meter: Meter) -> None:
    tell(meter, 0, 5000, power_w=1000, fresh=CACHED)
    tell(meter, 29, 5000, power_w=0, fresh=CACHED)
    taken = asked(meter, 30)
    tell(meter, 30.1, 5000, fresh=CACHED)
    assert snapshots.settle_due(at(31)) == 0
    tell(meter, 60, 5480, fresh=CACHED)
    snapshots.settle_due(at(61))
    assert told(taken) == ("0.240", Quality.ESTIMATED, True)


def test_an_equal_answer_is_found_also_when_it_is_looked_for_after_the_next_rise(meter: Meter) -> None:
    tell(meter, 0, 5000, power_w=0, fresh=CACHED)
    taken = asked(meter, 30)
    tell(meter, 30.1, 5000, fresh=CACHED)
    tell(meter, 60, 5480, fresh=CACHED)
    snapshots.settle_due(at(61))
    assert told(taken) == ("0.000", Quality.READ, True)


def test_a_changed_value_is_an_answer_everywhere(meter: Meter) -> None:
    tell(meter, 0, 5000, power_w=1000, fresh=CACHED)
    taken = asked(meter, 30)
    tell(meter, 30.1, 5500, fresh=CACHED)
    snapshots.settle_due(at(31))
    assert told(taken) == ("0.498", Quality.READ, True)


# --- asking ----------------------------------------------------------------------------------------------------------


class Broker:
    """Takes what is published, or refuses while away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.is_away = False

    def publish(self, topic: str, payload: str) -> None:
        if self.is_away:
            raise NotConnected
        self.sent.append((topic, payload))


def topics(broker: Broker, asker: CounterAsker, rounds: int = 1) -> list[str]:
    now = timezone.now()
    for _ in range(rounds):
        asker.consider(online.statuses(now), now)
        asker.ask()
    return [topic for topic, _ in broker.sent]


def waiting_meter(base: str = "", **told: Any) -> Meter:
    """Heard just now, with a snapshot of this moment."""
    made = make.meter(area=make.area(base_topic=base) if base else None, **told)
    make.state(made)
    snapshots.take(made, timezone.now(), timezone.now())
    return made


def test_an_online_meter_is_asked_for_its_counter_and_an_offline_one_is_not() -> None:
    make.worker()
    here = waiting_meter("a")
    waiting_meter("b", available=False)
    make.state(make.meter(area=make.area()))
    broker = Broker()
    assert topics(broker, CounterAsker(broker.publish), 3) == [f"a/{here.device.ieee_address}/set"]
    assert broker.sent[0][1] == COUNTER


def test_one_meter_of_an_area_is_asked_a_round_and_once_for_all_its_snapshots() -> None:
    make.worker()
    area = make.area(base_topic="a")
    for _ in range(2):
        made = make.meter(area=area)
        make.state(made)
        for seconds in (0, 1):
            snapshots.take(made, timezone.now() - timedelta(seconds=seconds), timezone.now())
    broker = Broker()
    asker = CounterAsker(broker.publish)
    assert len(topics(broker, asker)) == 1
    assert len(topics(broker, asker, 3)) == 2
    assert list(Snapshot.objects.values_list("questions", flat=True)) == [1, 1, 1, 1]


def test_without_a_connection_nobody_counts_as_asked() -> None:
    make.worker()
    waiting_meter("a")
    broker = Broker()
    asker = CounterAsker(broker.publish)
    broker.is_away = True
    assert topics(broker, asker) == []
    assert Snapshot.objects.get().asked_at is None
    broker.is_away = False
    assert len(topics(broker, asker)) == 1


def test_who_does_not_answer_is_asked_again_ever_more_rarely_for_a_day(meter: Meter) -> None:
    snapshots.take(meter, T0, T0)
    questions: list[int] = []
    for minute in (*range(60), *range(60, 25 * 60, 5)):
        if snapshots.waiting(at(minute)):
            snapshots.note_asked(meter.pk, at(minute))
            questions.append(minute)
    assert questions[:6] == [0, 1, 6, 21, 36, 51]
    assert questions[-1] < 24 * 60
