"""Several workers, each with areas of its own: nothing is lost or doubled, one tells the browsers, each is replaced.

The workers are real processes, and so are their deaths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from meters import live
from meters.models import Area, FoundInstance, WorkerState
from monitoring.checks import ourselves
from tests.meters import harness
from tests.meters.harness import Fleet, Services, Workers, kill, says, terminate, until

pytestmark = [
    pytest.mark.services,
    pytest.mark.mosquitto,
    pytest.mark.parametrize("broker", ["mosquitto"], indirect=True),
]


@dataclass
class Site:
    """A database, a broker, workers, four areas that only talk."""

    services: Services
    broker: Any
    workers: Workers
    fleets: dict[str, Fleet] = field(default_factory=dict)

    def appear(self, *bases: str, meters: int = 10) -> None:
        """These are areas, and present on the broker."""
        for base in bases:
            Area.objects.create(name=base.title(), slug=base, base_topic=base, in_service=True)
            self.fleets[base] = Fleet(self.broker.url, base, meters)
            self.fleets[base].appear()

    def run(self, per_second: int) -> None:
        for fleet in self.fleets.values():
            fleet.run(per_second)

    def check(self) -> None:
        """All that was published is stored, once; the counters rose as they did there, so that the order was kept."""
        for fleet in self.fleets.values():
            fleet.rest()
        for fleet in self.fleets.values():
            fleet.wait_stored()
            fleet.check()

    def end(self) -> None:
        for fleet in self.fleets.values():
            fleet.talker.cut()
        self.workers.end_all()


@pytest.fixture
def site(services: Services, broker: Any, django_db_blocker: Any) -> Iterator[Site]:
    database_url = services.new_database()
    with django_db_blocker.unblock(), harness.speaking_to(database_url):
        site = Site(services, broker, Workers(services, database_url, broker.url))
        try:
            yield site
        finally:
            site.end()


def row(name: str) -> WorkerState:
    return WorkerState.objects.get(pk=f"mqtt-{name}")


def telling() -> WorkerState | None:
    """The worker that tells the browsers, as long as it lives."""
    return WorkerState.objects.filter(tells=True, heartbeat_at__gt=timezone.now() - timedelta(seconds=5)).first()


def heard() -> set[str]:
    """The areas of which the board says, meter by meter, that somebody hears them."""
    told = live.snapshot()
    names = {area["id"]: area["slug"] for area in told["areas"]}
    deaf = {names[meter["area"]] for meter in told["meters"] if meter["reason"] == "worker"}
    assert deaf <= {names[area] for area in told["worker"]["unheard"]} or not told["worker"]["connected"]
    return {names[meter["area"]] for meter in told["meters"]} - deaf


@pytest.mark.parametrize("shards", [[""], ["east,west", "north,south"], ["east", "north", "south", "west"]], ids=len)
def test_every_reading_is_stored_once_however_many_workers_there_are(site: Site, shards: list[str]) -> None:
    site.appear("east", "north", "south", "west")
    for areas in shards:
        site.workers.start(areas=areas)
    site.run(per_second=100)
    until(lambda: all(fleet.stored() > 200 for fleet in site.fleets.values()), "readings of all areas")
    assert until(telling, "one that tells").pk in {worker.pk for worker in WorkerState.objects.all()}
    assert WorkerState.objects.filter(tells=True).count() == 1
    site.check()
    assert WorkerState.objects.count() == len(shards)
    assert not FoundInstance.objects.exists()  # what another worker takes is not unknown
    assert heard() == {"east", "north", "south", "west"}


def test_one_shard_is_taken_over_while_the_others_go_on_and_another_tells_the_browsers(site: Site) -> None:
    site.appear("north", "south")
    first = site.workers.start(areas="north")
    site.workers.start(areas="south")
    standby = site.workers.start(begun=False, areas="north")
    until(lambda: says(standby, "is called mqtt-north; standing by"), "the second of the north to stand by")
    teller, south = until(telling, "one that tells"), row("south")
    assert (teller.pk, teller.boot) == ("mqtt-north", live.snapshot()["boot"])
    site.run(per_second=100)
    until(lambda: all(fleet.stored() > 100 for fleet in site.fleets.values()), "readings of both areas")
    kill(first)
    until(lambda: row("north").process_id == standby.pid and row("north").connected_at, "the second to lead")
    after = until(telling, "another that tells")
    assert after.boot == live.snapshot()["boot"] != teller.boot
    assert WorkerState.objects.filter(tells=True).count() == 1
    site.check()
    assert (row("south").boot, row("south").connected_at) == (south.boot, south.connected_at)


def test_the_board_says_which_areas_nobody_hears(site: Site) -> None:
    site.appear("north", "south", "west")
    north, south = site.workers.start(areas="north"), site.workers.start(areas="south")
    for fleet in site.fleets.values():
        fleet.report(10)
    until(lambda: heard() == {"north", "south"}, "both to be heard")
    west = Area.objects.get(slug="west")
    assert live.snapshot()["worker"]["unheard"] == [west.pk]
    assert [finding.key for finding in ourselves.worker(timezone.now())] == ["area_untaken:west"]
    terminate(north)
    assert (heard(), live.snapshot()["worker"]["connected"]) == ({"south"}, True)
    found = [finding.key for finding in ourselves.worker(timezone.now())]
    assert found in (["shard_deaf:north", "area_untaken:west"], ["shard_silent:north", "area_untaken:west"])
    assert until(lambda: row("south").tells, "the south to tell")
    assert not says(south, "Traceback")


@pytest.mark.parametrize(("before", "after"), [([""], ["north", "south"]), (["north", "south"], [""])], ids=["+", "-"])
def test_nothing_is_lost_where_the_old_ones_were_stopped_before_the_new_ones_began(
    site: Site, before: list[str], after: list[str]
) -> None:
    site.appear("north", "south")
    old = [site.workers.start(areas=areas) for areas in before]
    site.run(per_second=50)
    until(lambda: all(fleet.stored() > 100 for fleet in site.fleets.values()), "readings of both areas")
    for worker in old:
        terminate(worker)
    gone = {fleet.base: fleet.total for fleet in site.fleets.values()}
    until(lambda: all(fleet.total > gone[fleet.base] + 200 for fleet in site.fleets.values()), "readings meanwhile")
    new = [site.workers.start(begun=False, areas=areas) for areas in after]
    names = {f"mqtt-{areas}" if areas else "mqtt" for areas in after}
    until(lambda: {each.pk for each in WorkerState.objects.exclude(connected_at=None)} == names, "the new ones to lead")
    site.check()
    for worker in new:
        assert not says(worker, "Traceback")
        assert not says(worker, "is not stored")
        assert not says(worker, "could not be told")
    assert sum(says(worker, "is stored first") for worker in new) == len(before)


def test_one_of_all_areas_and_some_of_some_exclude_each_other_and_replace_each_other_without_loss(site: Site) -> None:
    site.appear("north", "south")
    whole = site.workers.start()
    site.run(per_second=50)
    shards = [site.workers.start(begun=False, areas=areas) for areas in ("north", "south")]
    for shard in shards:
        until(lambda shard=shard: says(shard, "Another worker takes all areas; standing by"), "a shard to stand by")
        until(lambda shard=shard: says(shard, "The broker keeps messages for us"), "its session")
    terminate(whole)
    for shard in shards:
        until(lambda shard=shard: says(shard, "Connected to the MQTT broker"), "the shards to lead")
    assert [worker.pk for worker in WorkerState.objects.order_by("pk")] == ["mqtt-north", "mqtt-south"]
    both = site.workers.start(begun=False, areas="south,north")
    until(lambda: says(both, "Another worker takes the area north; standing by"), "the one of both to stand by")
    whole = site.workers.start(begun=False)
    until(lambda: says(whole, "Another worker takes some areas; standing by"), "the one of all to stand by")
    until(lambda: says(whole, "The broker keeps messages for us"), "its session")
    for worker in (both, *shards):
        terminate(worker)
    until(lambda: says(whole, "Connected to the MQTT broker"), "the one of all to lead")
    assert [worker.pk for worker in WorkerState.objects.all()] == ["mqtt"]
    site.check()
