"""Who takes which areas, and what follows for what is said of them. tests/meters/test_shards.py has the processes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from meters import areas, closeup, commands, directory, live, mqtt, notify, online, registry, requests
from meters.commands.errands import open_errands
from meters.ingest import Ingest
from meters.leader import LOCK, Leader
from meters.models import Area, AutomaticStop, Command, FoundInstance, Meter, OnlineSpan, Watch, WorkerState
from meters.shards import Shard, UnknownArea
from meters.worker import Worker
from tests import make
from tests.meters import messages
from tests.meters.harness import until

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def two() -> tuple[Area, Area]:
    """North and south in service, each with a living worker of its own; the north's tells the browsers."""
    north, south = make.area("North"), make.area("South")
    make.worker(name="mqtt-north", areas=[north.pk], tells=True)
    make.worker(name="mqtt-south", areas=[south.pk])
    return north, south


def metered(area: Area, **state: Any) -> Meter:
    made = make.meter(area=area)
    make.state(made, **state)
    return made


def die(name: str) -> None:
    WorkerState.objects.filter(pk=name).update(heartbeat_at=timezone.now() - MINUTE)


def shard(*slugs: str, called: str = "") -> Shard:
    made = Shard(slugs, called)
    made.resolve()
    return made


# --- names and lists -------------------------------------------------------------------------------------------------


def test_a_worker_is_called_after_its_areas_in_any_order_or_as_it_is_told() -> None:
    assert Shard().name == "mqtt"
    assert Shard(["south", "north"]).name == Shard(["north", "south"]).name == "mqtt-north.south"
    assert Shard(["north", "south"], "upper").name == "mqtt-upper"
    assert (Shard().client_id("campsite"), Shard(["north"]).client_id("campsite")) == ("campsite", "campsite-north")


@pytest.mark.parametrize("name", ["a b", "north,south", "x" * 81, "#"])
def test_a_name_that_a_broker_may_not_like_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        Shard(["north"], name)


def test_an_unknown_area_is_named_with_those_that_there_are(settings: Any) -> None:
    make.area("North")
    with pytest.raises(UnknownArea, match=r"There is no area nord, west; there are north\."):
        shard("west", "north", "nord")
    settings.MQTT_URL = "mqtt://127.0.0.1:1"
    with pytest.raises(CommandError, match="There is no area nord; there are north"):
        call_command("mqtt_worker", areas="nord")
    with pytest.raises(CommandError, match="names no area"):
        call_command("mqtt_worker", areas=" , ")
    with pytest.raises(CommandError, match="--name is for"):
        call_command("mqtt_worker", name="upper")


# --- locks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def leader() -> Iterator[Any]:
    """Makes leaders, and lets go of all."""
    made: list[Leader] = []

    def make_one() -> Leader:
        made.append(Leader(()))
        return made[-1]

    yield make_one
    for each in made:
        each.release()


def test_no_area_has_two_workers(leader: Any) -> None:
    for name in ("East", "North", "South"):
        make.area(name)
    assert leader().acquire(shard("north", "east")) == ""
    assert leader().acquire(shard("south")) == ""
    assert leader().acquire(shard("north", "east")) == "is called mqtt-east.north"
    assert leader().acquire(shard("south", "north")) == "takes the area north"
    assert leader().acquire(shard("south", called="north")) == "takes the area south"
    assert leader().acquire(Shard()) == "takes some areas"


def test_one_of_all_areas_leaves_none_to_others_and_who_is_refused_holds_nothing(leader: Any) -> None:
    make.area("North"), make.area("South")
    whole, north, both = leader(), leader(), leader()
    assert whole.acquire(Shard()) == ""
    assert leader().acquire(Shard()) == "is at work"
    assert north.acquire(shard("north")) == "takes all areas"
    whole.release()
    until(lambda: not north.acquire(shard("north")), "the locks of a connection that has ended to be let go")
    assert both.acquire(shard("north", "south")) == "takes the area north"
    assert leader().acquire(shard("south")) == ""


def test_a_worker_of_an_older_version_is_the_same_client_to_the_broker(leader: Any) -> None:
    """It holds the lock alone, without a name: whoever stands by must not come to the broker as it."""
    make.area("North")
    older, newer = leader(), leader()
    older.open()
    assert older._try("pg_try_advisory_lock(%s)", LOCK)
    assert (newer.acquire(Shard()), newer.has_twin) == ("is at work", True)
    assert leader().acquire(shard("north")) == "takes all areas"
    older.release()
    until(lambda: not leader().acquire(shard("north")), "the locks of a connection that has ended to be let go")
    assert (newer.acquire(Shard()), newer.has_twin) == ("takes some areas", False)


def test_one_of_several_tells_until_it_is_gone(leader: Any) -> None:
    make.area("North"), make.area("South")
    north, south = leader(), leader()
    north.acquire(shard("north")), south.acquire(shard("south"))
    assert (north.tell(), south.tell(), south.tell()) == (True, False, False)
    north.release()
    until(south.tell, "the locks of a connection that has ended to be let go")


# --- what is passed on -----------------------------------------------------------------------------------------------


NEWS = {
    "nothing": (notify.News(), 0),
    "a few": (notify.News({3, 1}, {2}, switching=True), 2),
    "switching alone": (notify.News(switching=True), 1),
    "many": (notify.News(set(range(9_000_000, 9_002_000))), 3),
    "everything": (notify.News({1}, {2}, everything=True), 1),
}


@pytest.mark.parametrize("name", NEWS)
def test_news_are_understood_as_they_were_passed_on_and_fit_into_notifications(name: str) -> None:
    news, calls = NEWS[name]
    payloads = notify.payloads(news)
    heard = notify.News()
    for payload in payloads:
        heard |= notify.understood(payload)
    assert (len(payloads), max(map(len, payloads), default=0) < 8000) == (calls, True)
    assert heard.everything if news.everything else heard == news


# --- what is said of areas -------------------------------------------------------------------------------------------


def test_what_one_worker_hears_says_nothing_of_another_ones_areas(two: tuple[Area, Area]) -> None:
    north, south = (metered(area) for area in two)
    die("mqtt-south")
    told = online.statuses(timezone.now())
    assert (told[north.pk].status, told[south.pk]) == ("online", online.Online(online.Status.UNKNOWN, "worker"))
    near = closeup.of({north.pk: closeup.Asked(), south.pk: closeup.Asked()}, timezone.now())
    assert [near[meter.pk].online.reason for meter in (north, south)] == ["ok", "worker"]
    state = live.snapshot()
    assert (state["worker"]["connected"], state["worker"]["unheard"]) == (True, [two[1].pk])
    tick = live.changes("b", 1, [south.pk], [])
    assert (tick["worker"]["unheard"], tick["meters"][0]["reason"]) == ([two[1].pk], "worker")


def test_a_connection_of_one_worker_makes_nothing_doubtful_of_another_ones(two: tuple[Area, Area]) -> None:
    now = timezone.now()
    for area in two:
        area.state.bridge, area.state.confirmed_at = "offline", now - MINUTE
        area.state.save()
    WorkerState.objects.update(connected_at=now - 2 * MINUTE)
    WorkerState.objects.filter(pk="mqtt-south").update(connected_at=now)
    link = online.link(now)
    assert [link.bridge(area.pk) for area in two] == ["offline", "unknown"]


def test_a_silence_counts_from_when_its_own_area_is_listened_to(two: tuple[Area, Area]) -> None:
    now = timezone.now()
    north, south = (metered(area, heard_at=now - timedelta(hours=3)) for area in two)
    Watch.objects.filter(area=two[1]).update(since=now - MINUTE)
    told = online.statuses(now)
    assert (told[north.pk].reason, told[south.pk].reason) == ("silent", "unheard")


def test_who_listens_to_some_areas_goes_on_with_the_watch_of_who_listened_to_all() -> None:
    north, south, now = make.area("North"), make.area("South"), timezone.now()
    online.watch(now - MINUTE / 6)
    online.watch(now, [north.pk, 0])
    assert list(Watch.objects.filter(area=north).values_list("since", "until")) == [(now - MINUTE / 6, now)]
    online.watch(now + MINUTE, [north.pk])  # after a break
    assert [watch.since for watch in Watch.objects.filter(area=north).order_by("since")] == [
        now - MINUTE / 6,
        now + MINUTE,
    ]
    assert not Watch.objects.filter(area=south).exists()


def test_who_listens_to_all_areas_goes_on_with_the_watches_of_who_listened_to_some() -> None:
    """Else each silent meter would be unknown for a quarter of an hour after every change from several to one."""
    north, south, now = make.area("North"), make.area("South"), timezone.now()
    online.watch(now - MINUTE, [north.pk])
    for seconds in range(55, 0, -5):
        online.watch(now - timedelta(seconds=seconds), [north.pk, south.pk])
    online.watch(now)
    assert Watch.objects.get(area=None).since == now - timedelta(seconds=55)
    make.area("West")
    Watch.objects.filter(area=None).delete()
    online.watch(now)
    assert Watch.objects.get(area=None).since == now  # nobody listened to the west


def test_an_outage_of_one_worker_ends_the_spans_of_its_areas_alone(two: tuple[Area, Area]) -> None:
    meters, now = [metered(area) for area in two], timezone.now()
    online.record(online.statuses(now), now)
    online.close_after_outage(now, [two[0].pk])
    closed = OnlineSpan.objects.filter(until__isnull=False)
    assert [span.meter_id for span in closed] == [meters[0].pk]
    assert set(online.statuses(now, [two[1].pk])) == {meters[1].pk}


@pytest.fixture
def nowhere(settings: Any) -> None:
    """Nobody connects."""
    settings.MQTT_URL = "mqtt://127.0.0.1:1"


def spans_closed_of(*meters: Meter) -> list[bool]:
    return [OnlineSpan.objects.get(meter=meter).until is not None for meter in meters]


def test_who_gets_one_area_of_another_worker_leaves_it_the_others(nowhere: None, caplog: Any) -> None:
    """Its session at the broker, too: that holds their messages until it comes again."""
    north, south = make.area("North"), make.area("South")
    make.worker(name="mqtt-east", areas=[north.pk, south.pk])
    Worker(shard("north"))._replace_others()
    assert (WorkerState.objects.get().areas, "mqtt-east" in caplog.text) == ([south.pk], False)
    Worker(shard("south"))._replace_others()
    assert (WorkerState.objects.exists(), "told that mqtt-east is no more" in caplog.text) == (False, True)


def test_a_broker_that_is_away_when_a_worker_begins_to_stand_by_is_asked_again(
    nowhere: None, settings: Any, broker: Any, caplog: Any
) -> None:
    caplog.set_level("INFO")
    make.area("North")
    worker = Worker(shard("north"))
    worker._foresee()
    settings.MQTT_URL = broker.url
    worker._foresee()  # not every second
    assert "The broker keeps messages" not in caplog.text
    worker._due.clear()
    worker._foresee()
    assert "The broker keeps messages" in caplog.text


def test_a_session_that_the_broker_refuses_is_neither_kept_nor_ended(broker: Any) -> None:
    wrong = broker.url.replace(f":{urlsplit(broker.url).password}@", ":wrong@")
    for url, is_welcome in ((wrong, False), (broker.url, True)):
        assert mqtt.keep_session(url, "north", [("z2m/#", 1)]) is is_welcome
        assert mqtt.end_session(url, "north") is is_welcome


@pytest.mark.parametrize(("name", "called"), [("mqtt", ""), ("mqtt-east", "east")])
def test_an_outage_of_more_areas_than_the_next_worker_takes_ends_the_spans_of_all(
    name: str, called: str, nowhere: None
) -> None:
    """Whoever takes the others finds them nowhere any more."""
    areas = [make.area("North"), make.area("South")]
    make.worker(name=name, areas=[area.pk for area in areas] if called else None)
    meters, now = [metered(area) for area in areas], timezone.now()
    online.record(online.statuses(now), now)
    Worker(shard("north", called=called))._replace_others()
    assert spans_closed_of(*meters) == [True, True]


def test_bridges_are_doubted_by_their_own_worker(two: tuple[Area, Area]) -> None:
    assert areas.doubt(timezone.now(), [two[1].pk]) == [two[1].pk]


# --- who does what ---------------------------------------------------------------------------------------------------


def test_a_worker_sends_what_its_own_areas_are_to_get(two: tuple[Area, Area]) -> None:
    north, south = (metered(area, relay=False) for area in two)
    sent = [make.command(make.want(meter)) for meter in (north, south)]
    now, own = timezone.now(), [two[1].pk]
    assert [errand.id for errand in open_errands(now, own)] == [sent[1].pk]
    asked = [requests.ask(area, "health_check") for area in two]
    assert [request for request, _, _ in requests.waiting(own)] == [asked[1].pk]
    assert len(open_errands(now)) == len(requests.waiting()) == 2


def test_a_worker_corrects_in_its_own_areas_alone() -> None:
    one, other = make.switchable(area=make.acting("North")), make.switchable(area=make.acting("South"))
    for meter in (one, other):
        make.want(meter)
    now = timezone.now()
    found = commands.correct(now, now - MINUTE, [one.device.area_id])
    assert (found.switched, set(Command.objects.values_list("meter", flat=True))) == (1, {one.pk})


def test_switch_offs_are_counted_over_the_areas_of_all_workers(settings: Any) -> None:
    settings.AUTOMATIC_OFFS_AN_HOUR = 3
    north, south = make.acting("North"), make.acting("South")
    for number in range(4):
        make.want(make.switchable(area=(north, south)[number % 2], relay=True), state=False)
    now = timezone.now()
    assert commands.correct(now, now - MINUTE, [north.pk]).switched == 0
    assert AutomaticStop.objects.get().cause == AutomaticStop.Cause.LIMIT


def test_what_one_worker_has_switched_off_is_not_counted_as_due_by_the_next(settings: Any) -> None:
    settings.AUTOMATIC_OFFS_AN_HOUR = 4
    north, south = make.acting("North"), make.acting("South")
    for number in range(4):
        make.want(make.switchable(area=(north, south)[number % 2], relay=True), state=False)
    now = timezone.now()
    assert [commands.correct(now, now - MINUTE, [area.pk]).switched for area in (north, south)] == [2, 2]
    assert not AutomaticStop.objects.exists()


# --- the directory ---------------------------------------------------------------------------------------------------


def test_what_another_worker_takes_is_neither_read_nor_unknown(two: tuple[Area, Area]) -> None:
    north, south = two
    ingest = Ingest(shard=shard("north"))
    told = [messages.message(f"{area.base_topic}/bridge/state", {"state": "offline"}) for area in two]
    ingest.process([*told, messages.message("elsewhere/bridge/state", {"state": "online"})])
    bridges = dict(Area.objects.values_list("slug", "state__bridge"))
    assert (bridges, FoundInstance.objects.get().base_topic) == ({"north": "offline", "south": "online"}, "elsewhere")
    known = directory.load([north.pk])
    assert (list(known.areas), known.elsewhere) == ([north.base_topic], {south.base_topic})


def test_an_inventory_leaves_alone_what_others_wrote_of_a_device_meanwhile(two: tuple[Area, Area]) -> None:
    """An area that claimed the device, between its being read and being written."""
    north, south = two
    listed = [messages.listed("101")]
    for area in two:
        Ingest().process([messages.inventory(area.base_topic, *listed)])
    device = Meter.objects.get().device
    before = [field for field in registry.DESCRIBED if not hasattr(device, field)]
    registry.claim(device.pk, south.pk)
    Ingest(shard=shard("north")).process([messages.inventory(north.base_topic, messages.listed("101", model_id="new"))])
    device.refresh_from_db()
    assert (before, device.area, device.model_id) == ([], south, "new")
