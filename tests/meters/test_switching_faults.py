"""Switching while everything fails once: no command is lost, none is sent twice, what could not be done is said.

The worker is a real process, the services are real; the Zigbee2MQTTs obey, or do not, as each test wants.
tests/meters/test_switching_twin.py tries the same with the real Zigbee2MQTT.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.forms import DateTimeField
from django.utils import timezone

from campsite.embedded import mosquitto
from campsite.embedded.processes import Process
from meters import commands, notify, online
from meters.commands import queue
from meters.commands.rules import PRIORITIES
from meters.models import Area, AreaState, Command, Device, Meter, Order, Reading, Source, Want
from tests import make
from tests.conftest import Broker
from tests.meters import harness
from tests.meters.harness import ObeyingFleet, OwnServices, Services, Workers, kill, says, terminate, until
from tests.meters.surroundings import gate, let_go_of_everything, services_and_broker

pytestmark = pytest.mark.services

QUICK = {"COMMAND_ANSWER_S": "2"}
"""Retries after 2, 4, … s: with the real 35 s a test would take minutes."""
OUTAGE_S = 20
_numbers = count(1)


# --- the site --------------------------------------------------------------------------------------------------------


class Site:
    """Services, a broker and a worker for all tests of this file; each test has areas of its own."""

    def __init__(self, services: Services, broker: Broker) -> None:
        self.services, self.broker = services, broker
        self.database_url = services.new_database()
        self.workers = Workers(services, self.database_url, broker.url)
        self.listener = harness.Listener(broker.url)
        self.fleets: list[ObeyingFleet] = []
        self._worker: Process | None = None
        self._settings: dict[str, str] = {}

    def worker(self, **settings: str) -> Process:
        """The worker with these settings; the one that runs, where it has them."""
        if self._worker and (settings != self._settings or not self._worker.is_alive()):
            self.end_worker()
        if self._worker is None:
            self._worker, self._settings = self.workers.start(**QUICK | settings), settings
        return self._worker

    def end_worker(self) -> None:
        if self._worker and self._worker.is_alive():
            terminate(self._worker)
        self._worker = None

    def fleet(
        self, meters: int = 1, *, on: bool = True, same_as: ObeyingFleet | None = None, **area: Any
    ) -> ObeyingFleet:
        """A new area, its meters online; `area` goes into staff's row."""
        base = f"z2m{next(_numbers)}"
        Area.objects.create(name=base, slug=base, base_topic=base, **area)
        notify.touch()
        fleet = ObeyingFleet(self.broker.url, base, meters, on=on, same_as=same_as)
        self.fleets.append(fleet)
        fleet.appear()
        mine = Device.objects.filter(listings__area__base_topic=base)
        until(lambda: mine.count() == meters, f"the inventory of {base}")
        fleet.hear()
        until(lambda: are_online(fleet), f"the meters of {base} to be online")
        return fleet

    def sets(self, fleet: ObeyingFleet, meter: int | None = None) -> list[str]:
        """What an independent subscriber saw sent to this area, or to one meter of it, in order."""
        names = {fleet.ieee(meter), fleet.name(meter)} if meter is not None else None
        return [sent.state for sent in self.listener.switched(fleet.base) if names is None or sent.device in names]

    def end_test(self) -> None:
        for fleet in self.fleets:
            fleet.stop()
        self.fleets.clear()
        let_go_of_everything()

    def end(self) -> None:
        self.listener.stop()
        self.workers.end_all()


@contextmanager
def running(make: type[Services]) -> Iterator[Site]:
    with services_and_broker("mosquitto" if mosquitto.program() else "iotcore", make) as (services, broker):
        found = Site(services, broker)
        try:
            yield found
        finally:
            found.end()


@contextmanager
def at_work(site: Site, blocker: Any) -> Iterator[Site]:
    with blocker.unblock(), harness.speaking_to(site.database_url):
        site.worker()
        try:
            yield site
        finally:
            site.end_test()


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with running(Services) as found:
        yield found


@pytest.fixture
def site(shared: Site, django_db_blocker: Any) -> Iterator[Site]:
    with at_work(shared, django_db_blocker) as found:
        yield found


@pytest.fixture
def own_site(django_db_blocker: Any) -> Iterator[Site]:
    """For a test that stops PostgreSQL."""
    with running(OwnServices) as made, at_work(made, django_db_blocker) as found:
        yield found


def meter(fleet: ObeyingFleet, number: int = 0) -> Meter:
    return Meter.objects.select_related("device").get(device__ieee_address=fleet.ieee(number))


def are_online(fleet: ObeyingFleet) -> bool:
    now = timezone.now()
    mine = online.meters().filter(device__area__base_topic=fleet.base, state__relay__isnull=False)
    link = online.link(now)
    return sum(online.status(meter, link, now).is_online for meter in mine) == fleet.meters


def switch(fleet: ObeyingFleet, state: bool, *numbers: int, **how: Any) -> Order:
    """One click for these meters, or for all."""
    chosen = [meter(fleet, number) for number in numbers or range(fleet.meters)]
    return commands.order(chosen, state, **{"reason": "a test"} | how)


def newest(fleet: ObeyingFleet, number: int = 0) -> Command:
    return Command.objects.filter(meter=meter(fleet, number)).select_related("want").latest("pk")


def want(fleet: ObeyingFleet, number: int = 0) -> Want:
    return Want.objects.get(meter=meter(fleet, number), ended_at=None)


def wait_status(fleet: ObeyingFleet, *statuses: str, number: int = 0, timeout_s: float = harness.PATIENCE_S) -> Command:
    """The newest command, once its status is one of these."""
    is_so = lambda: (found := newest(fleet, number)).status in statuses and found  # noqa: E731
    found: Any = until(is_so, f"meter {number} of {fleet.base} to be {statuses}", timeout_s)
    return found  # type: ignore[no-any-return]


def wait_hold(fleet: ObeyingFleet, hold: str, number: int = 0) -> None:
    until(lambda: want(fleet, number).hold == hold, f"meter {number} of {fleet.base} to be held: {hold}")


def be_switched(fleet: ObeyingFleet, state: bool, number: int = 0) -> None:
    """Order it, and see that it is so."""
    switch(fleet, state, number)
    assert wait_status(fleet, "confirmed", "failed", number=number).status == "confirmed"
    assert fleet.relay[number] is state


def be_off_the_air(fleet: ObeyingFleet, number: int = 0) -> None:
    fleet.be_available(number, False)
    mine = Device.objects.filter(meter=meter(fleet, number), available=False)
    until(mine.exists, "the meter to be off the air")


def wait_held(fleet: ObeyingFleet, how_many: int = 1) -> None:
    def held() -> int:
        return sum(kind == "set" and "state" in asked for _, kind, asked in fleet.held)

    until(lambda: held() == how_many, f"{how_many} commands to be under way")


# --- meters that do not do it ----------------------------------------------------------------------------------------


def test_meters_that_do_not_switch_are_tried_three_times_and_fail_each_for_its_reason(site: Site) -> None:
    """Zigbee2MQTT's echo is the same whether a relay is stuck or the meter refused."""
    fleet = site.fleet(3)
    fleet.modes |= {0: "stuck", 1: "deaf", 2: "unreachable"}
    switch(fleet, False)
    for number, failure in enumerate(["not_moved", "no_answer", "unreachable"]):
        command = wait_status(fleet, "failed", "confirmed", number=number)
        assert (command.status, command.failure, command.attempts) == ("failed", failure, 3)
        wait_hold(fleet, "failed", number)
        first, second, third = (s.at for s in site.listener.switched(fleet.base) if s.device == fleet.ieee(number))
        assert second - first >= 1.9
        assert third - second >= 3.9


def test_of_80_meters_75_are_switched_although_5_are_dead(site: Site) -> None:
    fleet = site.fleet(80, on=False, commands_per_s=10)
    dead = {3: "silent", 20: "silent", 41: "unreachable", 60: "silent", 79: "unreachable"}
    fleet.modes |= dead
    order = switch(fleet, True)
    mine = Command.objects.filter(order=order)
    until(lambda: mine.filter(status="confirmed").count() == 75, "75 meters to be on")
    assert not mine.filter(meter__in=[meter(fleet, number) for number in dead], status="confirmed").exists()
    assert [n for n, relay in enumerate(fleet.relay) if not relay] == sorted(dead)
    assert {len(site.sets(fleet, n)) for n in range(80) if n not in dead} == {1}
    told = commands.orders.progress(order, timezone.now())
    assert (told.total, told.counts["confirmed"]) == (80, 75)


# --- meters that are away, and come back -----------------------------------------------------------------------------


def test_a_command_for_an_offline_meter_waits_until_it_is_heard_and_blocks_no_other(site: Site) -> None:
    fleet = site.fleet(2)
    be_off_the_air(fleet)
    order = switch(fleet, False, 0)
    be_switched(fleet, False, 1)
    assert site.sets(fleet, 0) == []
    assert commands.orders.progress(order, timezone.now()).counts["offline"] == 1
    fleet.be_available(0, True)
    fleet.tell(0)
    wait_status(fleet, "confirmed")
    assert site.sets(fleet, 0) == ["OFF"]


def test_a_breaker_that_tripped_is_shown_and_not_put_back(site: Site) -> None:
    fleet = site.fleet(2, control="act")
    be_switched(fleet, True)
    fleet.press(0, False)
    wait_hold(fleet, "unasked_off")
    be_switched(fleet, True, 1)
    assert want(fleet).hold == "unasked_off"
    assert site.sets(fleet, 0) == ["ON"]


def test_after_a_proven_return_of_power_it_is_switched_on_again(site: Site) -> None:
    fleet = site.fleet(control="act")
    be_switched(fleet, True)
    be_off_the_air(fleet)
    fleet.relay[0] = False
    fleet.be_available(0, True)
    fleet.announce(0)
    until(lambda: site.sets(fleet) == ["ON", "ON"], "it to be switched on again")
    command = wait_status(fleet, "confirmed")
    assert command.automatic
    assert fleet.relay[0]


@pytest.mark.parametrize(("control", "hold", "sent"), [("act", "", 2), ("observe", "observe", 1)])
def test_an_unasked_on_is_corrected_where_the_area_acts(site: Site, control: str, hold: str, sent: int) -> None:
    fleet = site.fleet(control=control)
    be_switched(fleet, False)
    fleet.press(0, True)
    if hold:
        wait_hold(fleet, hold)
    else:
        until(lambda: not fleet.relay[0], "it to be off again")
        assert wait_status(fleet, "confirmed").automatic
    assert site.sets(fleet) == ["OFF"] * sent


# --- while a command is under way ------------------------------------------------------------------------------------


def test_a_zigbee2mqtt_that_restarts_under_a_command_does_it_afterwards(site: Site) -> None:
    fleet = site.fleet()
    fleet.modes[0] = "held"
    switch(fleet, False)
    wait_held(fleet)
    fleet.held.clear()
    fleet.leave()
    until(lambda: AreaState.objects.get(area__base_topic=fleet.base).bridge == "offline", "it to be offline")
    fleet.come_back()
    wait_status(fleet, "confirmed")
    assert not fleet.relay[0]
    assert site.sets(fleet) == ["OFF", "OFF"]


@pytest.mark.mosquitto
def test_a_broker_that_restarts_under_a_command_costs_no_second_one(site: Site) -> None:
    fleet, worker = site.fleet(), site.worker()
    fleet.modes[0] = "held"
    switch(fleet, False)
    wait_held(fleet)
    before = says(worker, "Connected to")
    site.broker.restart()
    until(lambda: says(worker, "Connected to") > before, "a new connection")
    until(lambda: all(c.is_connected() for c in (fleet.ear.client, fleet.talker.client)), "the area's connections")
    fleet.release()
    wait_status(fleet, "confirmed")
    assert site.sets(fleet) == ["OFF"]


@pytest.mark.mosquitto
def test_what_was_ordered_while_the_broker_was_away_is_sent_when_it_is_back(site: Site) -> None:
    fleet, worker = site.fleet(), site.worker()
    before = says(worker, "Lost the MQTT broker")
    site.broker.stop()
    until(lambda: says(worker, "Lost the MQTT broker") > before, "the worker to miss it")
    switch(fleet, False)
    site.broker.start()
    wait_status(fleet, "confirmed")
    assert not fleet.relay[0]
    assert site.sets(fleet)[-1:] == ["OFF"]


def test_a_button_pressed_under_a_command_is_seen_and_the_command_tried_again(site: Site) -> None:
    fleet = site.fleet()
    fleet.modes[0] = "held"
    switch(fleet, False)
    wait_held(fleet)
    fleet.release()
    fleet.press(0, True)  # before it is asked for its position
    assert wait_status(fleet, "confirmed").attempts == 2
    assert not fleet.relay[0]


def test_a_meter_renamed_under_a_command_is_confirmed_under_its_new_name(site: Site) -> None:
    fleet = site.fleet()
    fleet.modes[0] = "held"
    switch(fleet, False)
    wait_held(fleet)
    fleet.rename(0, "14,2/a")
    until(lambda: Device.objects.filter(friendly_name="14,2/a", area__base_topic=fleet.base), "the new name")
    fleet.release()
    assert wait_status(fleet, "confirmed").attempts == 1
    assert site.sets(fleet) == ["OFF"]


def test_a_meter_that_moved_to_another_area_under_a_command_is_switched_there(site: Site) -> None:
    here = site.fleet()
    there = site.fleet(same_as=here)
    there.modes[0] = "silent"  # an answer to a question of a moment ago would bring the meter there again
    until(lambda: here.hear() or are_online(here), "the meter to be here")
    here.modes[0] = "silent"
    switch(here, False)
    until(lambda: site.sets(here), "the command to be sent")
    there.modes.clear()
    there.hear()
    wait_status(there, "confirmed")
    assert (site.sets(here), site.sets(there)) == (["OFF"], ["OFF"])
    assert newest(there).area.base_topic == there.base  # type: ignore[union-attr]


def test_an_on_that_was_replaced_by_an_off_is_never_sent_again(site: Site) -> None:
    fleet = site.fleet()
    be_switched(fleet, False)
    fleet.modes[0] = "held"
    first = switch(fleet, True)
    wait_held(fleet)
    switch(fleet, False)
    wait_held(fleet, 2)
    fleet.release()
    wait_status(fleet, "confirmed")
    assert Command.objects.get(order=first).status == "superseded"
    assert site.sets(fleet) == ["OFF", "ON", "OFF"]
    until(lambda: meter(fleet).state.relay is False, "the table to know that it is off")
    assert not fleet.relay[0]


def test_an_on_that_was_replaced_while_it_waited_is_not_sent_at_all(site: Site) -> None:
    fleet = site.fleet()
    be_off_the_air(fleet)
    switch(fleet, True)
    switch(fleet, False)
    fleet.be_available(0, True)
    fleet.tell(0)
    wait_status(fleet, "confirmed")
    assert site.sets(fleet) == ["OFF"]


def test_two_people_who_switch_the_same_meter_at_once_leave_one_want_and_both_their_names(site: Site) -> None:
    fleet = site.fleet()
    people = [make.staff(f"{name}-{fleet.base}") for name in ("anna", "bo")]
    together = threading.Barrier(2)

    def click(state: bool) -> None:
        together.wait()
        switch(fleet, state, by=people[state])
        connection.close()

    clicks = [threading.Thread(target=click, args=[state]) for state in (True, False)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    wait_status(fleet, "confirmed")
    assert fleet.relay[0] is want(fleet).state
    assert site.sets(fleet)[-1] == want(fleet).word.upper()
    entries = LogEntry.objects.filter(object_repr=fleet.name(0), actor__in=people, changes__has_key="wanted")
    assert set(entries.values_list("actor", flat=True)) == {person.pk for person in people}


# --- outages ---------------------------------------------------------------------------------------------------------


def test_a_stale_on_is_not_sent_after_an_outage(site: Site, settings: Any) -> None:
    settings.COMMAND_DEADLINE_S = 1
    site.worker(COMMAND_DEADLINE_S="1")
    fleet = site.fleet(2)
    be_switched(fleet, False, 0)
    be_off_the_air(fleet)
    switch(fleet, True, 0)
    wait_status(fleet, "expired")
    fleet.be_available(0, True)
    fleet.tell(0)
    wait_hold(fleet, "stale")
    be_switched(fleet, False, 1)
    assert site.sets(fleet, 0) == ["OFF"]


def test_a_stale_off_is_sent_after_an_outage_where_the_area_acts(site: Site, settings: Any) -> None:
    settings.COMMAND_DEADLINE_S = 1
    site.worker(COMMAND_DEADLINE_S="1")
    fleet = site.fleet(control="act")
    be_off_the_air(fleet)
    switch(fleet, False)
    wait_status(fleet, "expired")
    fleet.be_available(0, True)
    fleet.tell(0)
    until(lambda: not fleet.relay[0], "it to be off")


def test_a_database_that_is_away_for_20_s_costs_no_command_and_no_second_one_and_no_reading(own_site: Site) -> None:
    """One command is under way when it goes, another one waits for its meter, which is heard meanwhile."""
    site = own_site
    fleet, worker = site.fleet(2), site.worker()
    be_off_the_air(fleet, 1)
    switch(fleet, False, 1)
    fleet.modes[0] = "held"
    switch(fleet, False, 0)
    wait_held(fleet)
    connection.close()
    before = says(worker, "nothing is sent")
    assert isinstance(site.services, OwnServices)
    site.services.postgres.stop()
    until(lambda: says(worker, "nothing is sent") > before, "the worker to miss it")
    fleet.release()
    fleet.be_available(1, True)
    fleet.report(50, state=None)
    until(lambda: says(worker, "nothing is sent") > before + OUTAGE_S, "20 s to pass: it tries once a second", 120)
    assert site.sets(fleet) == ["OFF"]
    site.services.postgres.start()
    for number in (0, 1):
        assert wait_status(fleet, "confirmed", number=number).attempts == 1
        assert site.sets(fleet, number) == ["OFF"]
        assert not fleet.relay[number]
    numbered = Reading.objects.filter(meter__device__area__base_topic=fleet.base, counter_wh__isnull=False)
    until(lambda: numbered.count() == 50, "every reading to be stored")


def test_a_notification_that_was_lost_costs_seconds_only(site: Site) -> None:
    fleet, now = site.fleet(2, control="act"), timezone.now()
    wanted = {"state": False, "created_at": now, "since": now}
    for number, source in enumerate([Source.STAFF, Source.POLICY]):
        made = Want.objects.create(meter=meter(fleet, number), source=source, priority=PRIORITIES[source], **wanted)
        if source == Source.STAFF:
            queue.make([made], now, automatic=False)
    until(lambda: len(site.sets(fleet)) == 2, "both to be sent", 5)


# --- the worker dies -------------------------------------------------------------------------------------------------


def test_killed_between_claiming_and_publishing_it_sends_the_command_later_and_once(site: Site) -> None:
    fleet, worker = site.fleet(), site.worker()
    with gate("claimed_at") as closed:
        switch(fleet, False)
        closed.wait()
        kill(worker)
        closed.open()
        until(lambda: newest(fleet).claimed_at, "the claim to be committed")
    assert site.sets(fleet) == []
    claimed_at = newest(fleet).claimed_at
    site.worker()
    wait_status(fleet, "confirmed")
    assert site.sets(fleet) == ["OFF"]
    assert claimed_at
    assert site.listener.switched(fleet.base)[0].at >= claimed_at.timestamp() + 2


def test_killed_between_publishing_and_recording_it_asks_the_meter_and_sends_nothing_again(site: Site) -> None:
    fleet, worker = site.fleet(), site.worker()
    with gate("sent_at") as closed:
        switch(fleet, False)
        closed.wait()
        until(lambda: not fleet.relay[0], "the meter to obey")
        kill(worker)
        closed.open()
    site.worker()
    assert wait_status(fleet, "confirmed").attempts == 1
    assert site.sets(fleet) == ["OFF"]


def test_a_second_worker_ends_what_a_killed_one_began(site: Site) -> None:
    fleet, first = site.fleet(20, commands_per_s=10), site.worker()
    second = site.workers.start(begun=False, **QUICK)
    until(lambda: says(second, "standing by"), "the second to stand by")
    order = switch(fleet, False)
    until(lambda: len(site.sets(fleet)) >= 5, "the first to be at work")
    kill(first)
    mine = Command.objects.filter(order=order)
    until(lambda: mine.filter(status="confirmed").count() == 20, "all to be off")
    assert [len(site.sets(fleet, number)) for number in range(20)] == [1] * 20
    terminate(second)


# --- others on the broker --------------------------------------------------------------------------------------------


def test_a_retained_command_of_somebody_else_is_warned_about_until_it_is_cleared(site: Site) -> None:
    base = f"z2m{next(_numbers)}"
    other = harness.Talker(site.broker.url)
    other.say(f"{base}/100,1/set", {"state": "ON"}, retain=True)
    other.flush()
    Area.objects.create(name=base, slug=base, base_topic=base)
    notify.touch()
    fleet = ObeyingFleet(site.broker.url, base)
    site.fleets.append(fleet)
    fleet.appear()
    reported = AreaState.objects.filter(area__base_topic=base)
    commands_left = lambda: list(reported.values_list("retained_commands", flat=True))  # noqa: E731
    until(lambda: commands_left() == [["100,1/set"]], "the warning")
    other.say(f"{base}/100,1/set", b"", retain=True)
    until(lambda: commands_left() == [[]], "the warning to go")
    other.stop()


# --- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        # The clock goes back at 3:00 on 28 October 2040: that day has 25 hours.
        ("2040-10-28 01:30", datetime(2040, 10, 27, 23, 30, tzinfo=UTC)),
        ("2040-10-28 12:00", datetime(2040, 10, 28, 11, 0, tzinfo=UTC)),
        # It goes forward at 2:00 on 31 March 2041: that day has 23 hours.
        ("2041-03-31 01:30", datetime(2041, 3, 31, 0, 30, tzinfo=UTC)),
        ("2041-03-31 12:00", datetime(2041, 3, 31, 10, 0, tzinfo=UTC)),
    ],
)
@pytest.mark.django_db
def test_a_want_lasts_until_the_wall_clock_says_so_also_over_a_change_of_the_clocks(
    given: str, meant: datetime
) -> None:
    switched = make.meter(area=make.area())
    made = commands.want(switched, Source.STAFF, True, until=DateTimeField().clean(given))
    second = timedelta(seconds=1)
    assert commands.end_expired(meant - second) == set()
    assert commands.in_force([switched.pk], meant - second)[switched.pk] == made
    assert commands.in_force([switched.pk], meant) == {}
    assert commands.end_expired(meant) == {switched.pk}
