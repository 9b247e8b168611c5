"""The sending thread's steps, driven by hand: what is published when, and to whom. The network's edge is a recorder."""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from meters import commands, requests
from meters.commands import queue
from meters.commands.pace import EVEN, Pace
from meters.dispatch import Dispatcher
from meters.models import Area, Command, Device, Meter, MeterState, Source, Want, WorkerState
from meters.mqtt import NotConnected
from tests import make

pytestmark = pytest.mark.django_db

QUICK = 1000.0
"""Commands a second, where a test is not about the pace."""


class Recorder:
    """What the dispatcher needs of the road to the broker; remembers what was published."""

    def __init__(self) -> None:
        self.connected_at: datetime | None = timezone.now() - timedelta(hours=1)
        self.is_refusing = False
        self.published: list[tuple[str, str]] = []
        self.times: list[float] = []
        self.hurried = 0
        self.meanwhile: Callable[[], object] = lambda: None

    def publish(self, topic: str, payload: str) -> None:
        if self.connected_at is None or self.is_refusing:
            raise NotConnected
        self.published.append((topic, payload))
        self.times.append(time.monotonic())
        self.meanwhile()

    def ask_position(self, meter_id: int, topic: str, at: datetime) -> None:
        self.publish(topic, '{"state":""}')

    def hurry(self, for_s: float) -> None:
        self.hurried += 1


class Sender:
    """A dispatcher with its recorder."""

    def __init__(self) -> None:
        self.road = Recorder()
        self.dispatcher = Dispatcher(self.road)

    def step(self, times: int = 1) -> list[tuple[str, str]]:
        """What so many steps publish."""
        before = len(self.road.published)
        for _ in range(times):
            self.dispatcher.step()
        return self.road.published[before:]

    def until_idle(self, most: int = 200) -> list[tuple[str, str]]:
        """What is published until a step has nothing more to do at once."""
        before = len(self.road.published)
        for _ in range(most):
            if self.dispatcher.step() > 0.01:
                break
        return self.road.published[before:]

    def later(self, seconds: float) -> None:
        """As if so much time had passed, for the tables and for the dispatcher."""
        make.later(seconds)
        self.dispatcher._next_look = 0.0
        self.dispatcher._pace = Pace()


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
def area() -> Area:
    return make.acting(commands_per_s=QUICK)


def topic(meter: Meter, kind: str = "set") -> str:
    return f"{meter.device.area.base_topic}/{meter.device.ieee_address}/{kind}"


def on(meter: Meter) -> tuple[str, str]:
    return topic(meter), '{"state": "ON"}'


def off(meter: Meter) -> tuple[str, str]:
    return topic(meter), '{"state": "OFF"}'


def statuses() -> list[str]:
    return list(Command.objects.order_by("pk").values_list("status", flat=True))


# --- one command -----------------------------------------------------------------------------------------------------


def test_a_click_is_published_by_address_and_noted_as_sent(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    assert sender.step() == [on(meter)]
    command = Command.objects.get()
    assert (command.status, command.area, command.attempts) == ("sent", area, 1)
    assert command.claimed_at <= command.sent_at
    assert sender.step(3) == []


def test_whoever_waits_for_a_proof_hurries_the_storing(sender: Sender, area: Area) -> None:
    sender.step()
    assert sender.road.hurried == 0
    commands.want(make.switchable(area=area), Source.STAFF, True)
    sender.step()
    assert sender.road.hurried == 1


def test_a_command_by_name_goes_to_the_name(sender: Sender, area: Area) -> None:
    meter = make.switchable("pladser/101,2", area=area)
    make.command(make.want(meter, False), by_name=True)
    assert sender.step() == [(f"{area.base_topic}/pladser/101,2/set", '{"state": "OFF"}')]


def test_an_acknowledged_command_is_read_after_a_moment(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    sender.step()
    Command.objects.update(status="acknowledged", acknowledged_at=timezone.now())
    assert sender.step() == []
    sender.later(1.5)
    assert sender.step() == [(topic(meter, "get"), '{"state":""}')]
    assert Command.objects.get().asked_at is not None
    assert sender.step() == []


def test_a_question_that_could_not_be_sent_counts_as_not_asked(sender: Sender, area: Area) -> None:
    asking = make.switchable(area=area)
    now = timezone.now()
    make.command(make.want(asking), sent_ago_s=4, status="acknowledged", acknowledged_at=now - timedelta(seconds=3))
    loaded = make.switchable(area=area)
    done = {"status": "confirmed"} | dict.fromkeys(["confirmed_at", "finished_at"], now - timedelta(seconds=13))
    make.command(make.want(loaded, False), sent_ago_s=15, **done)
    sender.road.is_refusing = True
    assert sender.until_idle() == []
    assert set(Command.objects.values_list("asked_at", "load_asked_at")) == {(None, None)}
    sender.road.is_refusing = False
    assert {sent for sent, _ in sender.until_idle()} == {topic(asking, "get"), topic(loaded, "set")}


def test_a_silent_command_is_read_after_its_answer_time_and_then_repeated(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    sender.step()
    sender.later(34)
    assert sender.step() == []
    sender.later(1.1)
    assert sender.step() == [(topic(meter, "get"), '{"state":""}')]
    sender.later(12.1)
    assert sender.until_idle() == [on(meter)]
    command = Command.objects.get()
    assert (command.status, command.attempts, command.failure) == ("sent", 2, "unanswered")


def test_three_silent_attempts_fail_and_nothing_more_is_sent(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    for _ in range(20):
        MeterState.objects.update(heard_at=timezone.now())
        sender.until_idle()
        sender.later(24)
    assert sender.road.published.count(on(meter)) == 3
    assert statuses() == ["failed"]
    want = Want.objects.get()
    assert (want.hold, want.ended_at) == ("failed", None)


def test_the_last_word_of_a_cached_position_confirms_after_its_time(sender: Sender, area: Area) -> None:
    make.command(
        make.want(make.switchable(area=area)),
        sent_ago_s=6,
        status="acknowledged",
        acknowledged_at=timezone.now() - timedelta(seconds=5),
        asked_at=timezone.now() - timedelta(seconds=2),
        read_state=True,
    )
    sender.step()
    assert statuses() == ["acknowledged"]
    sender.later(1.1)
    sender.step()
    assert statuses() == ["confirmed"]


def test_after_an_off_the_current_is_asked_until_it_is_given_up(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    now = timezone.now()
    want = make.want(meter, False, fulfilled_at=now)
    make.command(want, sent_ago_s=4, status="confirmed", confirmed_at=now, finished_at=now)
    told = []
    for _ in range(15):
        told += sender.until_idle()
        sender.later(3)
    assert {where for where, _ in told} == {topic(meter)}
    assert len(told) in (2, 3)
    assert all(json.loads(payload)["read"]["attributes"] == ["rmsCurrent"] for _, payload in told)
    assert Command.objects.get().load == "unknown"


def test_a_claim_of_a_worker_that_died_waits_its_time_and_is_read_before_it_is_repeated(
    sender: Sender, area: Area
) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    assert queue.claim(Command.objects.get().pk, area.pk, timezone.now())
    assert sender.step(3) == []
    sender.later(35.1)
    assert sender.step() == [(topic(meter, "get"), '{"state":""}')]


# --- never -----------------------------------------------------------------------------------------------------------


def test_nothing_is_sent_while_disconnected_and_nothing_is_claimed(sender: Sender, area: Area) -> None:
    sender.road.connected_at = None
    commands.want(make.switchable(area=area), Source.STAFF, True)
    requests.ask(area, "permit_join")
    assert sender.step(3) == []
    assert Command.objects.get().claimed_at is None


def test_what_the_network_refuses_was_never_claimed(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    made = requests.ask(area, "permit_join")
    sender.road.is_refusing = True
    sender.step(3)
    command = Command.objects.get()
    assert (command.claimed_at, command.attempts, command.status) == (None, 0, "queued")
    sender.road.is_refusing = False
    sender.later(2)
    assert sorted(where for where, _ in sender.until_idle()) == sorted(
        [topic(meter), f"{area.base_topic}/bridge/request/permit_join"]
    )
    made.refresh_from_db()
    assert made.status == "sent"


def test_an_on_whose_deadline_passed_during_an_outage_is_never_sent(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    sender.road.connected_at = None
    sender.step()
    sender.later(3 * 3600)
    MeterState.objects.update(heard_at=timezone.now(), relay_at=timezone.now())
    sender.road.connected_at = timezone.now()
    assert sender.until_idle() == []
    assert statuses() == ["expired"]
    assert Want.objects.get().hold == "stale"


def test_an_on_whose_deadline_passes_while_a_step_waits_is_not_sent(sender: Sender, area: Area) -> None:
    """The database may hold a step up for as long as a statement may take."""
    first, second = make.switchable(area=area), make.switchable(area=make.acting("South", commands_per_s=QUICK))
    commands.order([first, second], True)
    sender.road.meanwhile = lambda: Command.objects.filter(meter=second).update(expires_at=timezone.now())
    assert sender.step() == [on(first)]
    assert Command.objects.get(meter=second).claimed_at is None


def test_an_on_until_a_time_is_not_sent_after_it(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True, until=timezone.now() + timedelta(seconds=30))
    sender.later(31)
    assert sender.until_idle() == []
    assert commands.in_force([meter.pk], timezone.now()) == {}


def test_an_overtaken_on_is_not_sent(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    commands.want(meter, Source.STAFF, False)
    assert sender.until_idle() == [off(meter)]


def test_a_meter_without_an_area_is_sent_nothing(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    sender.step()
    Command.objects.update(status="acknowledged", acknowledged_at=timezone.now())
    Device.objects.update(area=None)
    sender.later(60)
    assert sender.until_idle() == []


def test_a_request_whose_time_is_over_is_not_sent(sender: Sender, area: Area) -> None:
    made = requests.ask(area, "restart", timeout_s=30)
    sender.later(600)
    assert sender.until_idle() == []
    made.refresh_from_db()
    assert made.status == "timed_out"


# --- offline ---------------------------------------------------------------------------------------------------------


def test_who_is_offline_is_parked_and_goes_when_it_is_heard(sender: Sender, area: Area) -> None:
    away, here = make.switchable(area=area), make.switchable(area=area)
    Device.objects.filter(meter=away).update(available=False)
    commands.order([away, here], True)
    assert sender.until_idle() == [on(here)]
    Device.objects.filter(meter=away).update(available=True)
    assert sender.step() == [on(away)]


def test_a_meter_that_fell_silent_is_parked(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    MeterState.objects.update(heard_at=timezone.now() - timedelta(hours=1))
    assert sender.step() == []
    MeterState.objects.update(heard_at=timezone.now())
    assert sender.step() == [on(meter)]


def test_a_dead_worker_row_parks_everything(sender: Sender, area: Area) -> None:
    commands.want(make.switchable(area=area), Source.STAFF, True)
    WorkerState.objects.update(connected_at=None)
    assert sender.step() == []


def test_dead_meters_never_hold_up_live_ones(sender: Sender, area: Area) -> None:
    dead = [make.switchable(area=area) for _ in range(10)]
    Device.objects.update(available=False)
    live = [make.switchable(area=area) for _ in range(3)]
    commands.order([*dead, *live], True)
    assert sender.until_idle() == [on(meter) for meter in live]


# --- the pace --------------------------------------------------------------------------------------------------------


def test_an_area_is_sent_no_more_than_its_share(sender: Sender) -> None:
    area = make.acting(commands_per_s=20)
    commands.order([make.switchable(area=area, relay=True) for _ in range(5)], False)
    waits = []
    while len(sender.road.published) < 5:
        waits.append(sender.dispatcher.step())
    gaps = [b - a for a, b in pairwise(sender.road.times)]
    assert min(gaps) >= EVEN / 20
    assert max(waits[:-1]) <= 1 / 20


def test_the_step_tells_when_the_next_may_go(sender: Sender) -> None:
    area = make.acting(commands_per_s=4)
    commands.order([make.switchable(area=area) for _ in range(2)], True)
    assert sender.dispatcher.step() <= 0.25
    assert len(sender.road.published) == 1


def test_each_area_has_its_turn_in_each_step(sender: Sender) -> None:
    areas = [make.acting(commands_per_s=0.2) for _ in range(3)]
    meters = [make.switchable(area=area) for area in areas for _ in range(4)]
    commands.order(meters, True)
    assert len({where.split("/")[0] for where, _ in sender.step()}) == 3
    assert sender.step() == []


def test_a_slow_area_slows_down_no_other(sender: Sender, area: Area) -> None:
    slow = make.acting(commands_per_s=0.2)
    commands.order([make.switchable(area=slow) for _ in range(5)], True)
    commands.order([make.switchable(area=area) for _ in range(5)], True)
    for _ in range(400):
        if len(sender.road.published) == 6:
            break
        sender.dispatcher.step()
    bases = [where.split("/")[0] for where, _ in sender.road.published]
    assert (bases.count(area.base_topic), bases.count(slow.base_topic)) == (5, 1)


def spin(sender: Sender, steps: int = 25) -> None:
    """More steps than there is to do; each takes longer than the gap of a quick area."""
    for _ in range(steps):
        sender.dispatcher.step()


def test_only_so_many_wait_for_an_answer_at_once(sender: Sender, area: Area) -> None:
    Area.objects.update(most_unanswered=3)
    commands.order([make.switchable(area=area) for _ in range(6)], True)
    spin(sender)
    assert len(sender.road.published) == 3
    first = Command.objects.filter(status="sent").order_by("pk").first()
    queue.acknowledge(first.pk, first.claimed_at, timezone.now())
    spin(sender)
    orders = [topic for topic, _payload in sender.road.published if topic.endswith("/set")]  # a slow machine asks, too
    assert len(orders) == 4


def test_who_never_answers_makes_room_after_the_answer_time(sender: Sender, area: Area) -> None:
    Area.objects.update(most_unanswered=1)
    meters = [make.switchable(area=area) for _ in range(2)]
    commands.order(meters, True)
    spin(sender)
    assert sender.road.published == [on(meters[0])]
    sender.later(35.1)
    spin(sender)
    assert on(meters[1]) in sender.road.published


def test_unanswered_ones_of_one_area_take_no_room_of_another(sender: Sender, area: Area) -> None:
    Area.objects.update(most_unanswered=1)
    other = make.acting(commands_per_s=QUICK, most_unanswered=1)
    commands.order([make.switchable(area=a) for a in (area, other) for _ in range(2)], True)
    spin(sender)
    assert len(sender.road.published) == 2


def test_clicks_overtake_what_goes_by_itself(sender: Sender, area: Area) -> None:
    Area.objects.update(commands_per_s=0.2)
    for _ in range(3):
        want = make.want(make.switchable(area=area, relay=True), False, Source.POLICY)
        make.command(want, automatic=True)
    click = make.switchable(area=area)
    commands.want(click, Source.STAFF, True)
    assert sender.step() == [on(click)]


# --- what it finds by itself -----------------------------------------------------------------------------------------


def test_an_unasked_on_is_corrected_within_one_look(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area, relay=True)
    make.want(meter, False, Source.POLICY, fulfilled_at=timezone.now(), until=timezone.now() + timedelta(minutes=5))
    assert sender.until_idle() == [off(meter)]
    assert Command.objects.get().automatic


def test_a_position_of_before_this_connection_is_asked_for_once_a_minute(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area, relay=True)
    make.want(meter, False, Source.POLICY, fulfilled_at=timezone.now())
    MeterState.objects.update(relay_at=timezone.now() - timedelta(hours=2))
    assert sender.until_idle() == [(topic(meter, "get"), '{"state":""}')]
    sender.later(3)
    assert sender.until_idle() == []


def test_after_the_stop_nothing_automatic_leaves_and_clicks_do(sender: Sender, area: Area) -> None:
    meters = [make.switchable(area=area, relay=True) for _ in range(3)]
    for meter in meters[:2]:
        make.want(meter, False, Source.POLICY, fulfilled_at=timezone.now())
    commands.correct(timezone.now(), timezone.now() - timedelta(hours=1))
    assert Command.objects.filter(automatic=True).count() == 2
    commands.stop.press(None)
    commands.want(meters[2], Source.STAFF, False)
    assert sender.until_idle() == [off(meters[2])]


def test_a_request_is_sent_with_its_transaction_and_once(sender: Sender, area: Area) -> None:
    made = requests.ask(area, "device/rename", {"from": "a", "to": "b"})
    [(where, payload)] = sender.step()
    assert where == f"{area.base_topic}/bridge/request/device/rename"
    assert json.loads(payload) == {"from": "a", "to": "b", "transaction": made.transaction}
    sender.later(2)
    assert sender.until_idle() == []


# --- moved -----------------------------------------------------------------------------------------------------------


def test_a_meter_that_moved_is_sent_to_where_it_is_heard(sender: Sender, area: Area) -> None:
    meter, other = make.switchable(area=area), make.acting(commands_per_s=QUICK)
    commands.want(meter, Source.STAFF, True)
    sender.step()
    Device.objects.update(area=other)
    told = sender.until_idle()
    assert told == [(f"{other.base_topic}/{meter.device.ieee_address}/set", '{"state": "ON"}')]
    command = Command.objects.get()
    assert (command.area, command.failure, command.attempts) == (other, "moved", 2)


def test_a_meter_that_moved_while_it_waited_goes_to_where_it_is_heard(sender: Sender, area: Area) -> None:
    meter, other = make.switchable(area=area), make.acting(commands_per_s=QUICK)
    commands.want(meter, Source.STAFF, True)
    Device.objects.update(area=other)
    assert sender.step() == [(f"{other.base_topic}/{meter.device.ieee_address}/set", '{"state": "ON"}')]


# --- what boards hear ------------------------------------------------------------------------------------------------


def test_whatever_moves_on_is_told_once(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    commands.want(meter, Source.STAFF, True)
    sender.step()
    changed, _ = sender.dispatcher.take_changes()
    assert meter.pk in changed
    assert sender.dispatcher.take_changes()[0] == set()


def test_an_expired_want_is_told(sender: Sender, area: Area) -> None:
    meter = make.switchable(area=area)
    make.want(meter, True, until=timezone.now() - timedelta(seconds=1))
    sender.step()
    assert meter.pk in sender.dispatcher.take_changes()[0]


def test_an_idle_step_waits_for_the_next_look(sender: Sender) -> None:
    sender.step()
    assert sender.dispatcher.step() > 1


def test_a_refused_claim_does_not_make_it_spin(sender: Sender, area: Area) -> None:
    """An attempt under way serves a new want that ends sooner; the next attempt may not go."""
    meter = make.switchable(area=area)
    command = make.command(make.want(meter, until=timezone.now() + timedelta(milliseconds=300)))
    sender.step()
    Command.objects.filter(pk=command.pk).update(status="queued", claimed_at=None, not_before=None)
    Want.objects.update(until=timezone.now() - timedelta(seconds=1))
    before = len(sender.road.published)
    assert sender.dispatcher.step() > 0.01
    assert len(sender.road.published) == before
