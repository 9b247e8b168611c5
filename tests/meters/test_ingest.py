"""Messages find their place: registry, areas, readings, the rejected."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from meters import areas, rejected
from meters.ingest import Ingest
from meters.models import (
    Area,
    AreaHealth,
    AreaState,
    Device,
    FoundInstance,
    Listing,
    Meter,
    MeterState,
    QuarantinedReading,
    Reading,
    ReadingDay,
    RejectedMessage,
)
from meters.mqtt import Message
from tests.meters.messages import IEEE, T0, inventory, listed, message, state

pytestmark = pytest.mark.django_db

B, B2 = "zigbee2mqtt", "zigbee2mqtt_area2"
OTHER = "0xa4c138d630000002"


@pytest.fixture
def ingest() -> Ingest:
    for i, base in enumerate((B, B2)):
        Area.objects.create(name=f"Område {i}", slug=f"a{i}", base_topic=base)
    return Ingest()


def device(ieee: str = IEEE) -> Device:
    return Device.objects.get(ieee_address=ieee)


def latest(ieee: str = IEEE) -> MeterState:
    return MeterState.objects.get(meter__device__ieee_address=ieee)


def codes() -> dict[str, int]:
    return dict(RejectedMessage.objects.values_list("code", "count"))


# --- the registry


def test_an_inventory_makes_devices_and_a_card_for_each_that_measures(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2"), listed("repeater v hæk", OTHER, measures=False))])
    assert device().kind == "single_phase"
    assert device(OTHER).kind == "repeater"
    assert [str(meter) for meter in Meter.objects.all()] == ["101,2"]


def test_what_a_device_was_told_to_report_and_does_when_power_returns_is_noted(ingest: Ingest) -> None:
    reporting = {"cluster": "seMetering", "attribute": "currentSummDelivered", "reportable_change": 257}
    reporting |= {"minimum_report_interval": 5, "maximum_report_interval": 3600}
    entry = listed("101", endpoints={"1": {"configured_reportings": [reporting]}})
    ingest.process([inventory(B, entry), state(B, "101", power=1, power_outage_memory="restore")])
    assert (device().reportings, device().outage_memory) == ([{"endpoint": 1} | reporting], "restore")
    ingest.process([state(B, "101", 1, power=2)])
    assert device().outage_memory == "restore"
    ingest.process([state(B, "101", 2, power_outage_memory="off")])
    assert device().outage_memory == "off"


def test_a_rename_makes_no_ghost(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), state(B, "101,2", power=25)])
    ingest.process(
        [
            message(f"{B}/101,2", retained=False),
            message(f"{B}/101,2/availability"),
            inventory(B, listed("102")),
            state(B, "102", 1, power=30),
        ]
    )
    assert Device.objects.count() == 1
    assert device().friendly_name == "102"
    assert latest().power_w == 30
    assert codes() == {}


def test_two_devices_may_swap_their_names(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("a"), listed("b", OTHER))])
    ingest.process([inventory(B, listed("b"), listed("a", OTHER)), state(B, "a", power=7)])
    assert (device().friendly_name, device(OTHER).friendly_name) == ("b", "a")
    assert latest(OTHER).power_w == 7


def test_a_removed_device_is_kept_and_marked_and_may_come_back(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), inventory(B, minute=5)])
    assert device().removed_at == T0 + timedelta(minutes=5)
    assert Meter.objects.count() == 1
    ingest.process([inventory(B, listed("101,2"), minute=9)])
    assert device().removed_at is None


@pytest.mark.parametrize("kind", ["device_leave", "device_announce"])
def test_an_event_that_lies_on_the_broker_did_not_happen_just_now(ingest: Ingest, kind: str) -> None:
    event = {"type": kind, "data": {"ieee_address": IEEE, "friendly_name": "101,2"}}
    ingest.process([inventory(B, listed("101,2")), message(f"{B}/bridge/event", event, retained=True)])
    assert (device().left_at, device().announced_at) == (None, None)


def test_a_device_that_leaves_is_marked_until_it_is_heard_again(ingest: Ingest) -> None:
    leave = {"type": "device_leave", "data": {"ieee_address": IEEE, "friendly_name": "101,2"}}
    ingest.process([inventory(B, listed("101,2")), message(f"{B}/bridge/event", leave)])
    assert device().left_at == T0
    ingest.process([state(B, "101,2", 1, power=1)])
    assert device().left_at is None


def test_a_campsite_full_of_devices_that_get_power_back_is_not_read_anew_for_each(
    ingest: Ingest, django_assert_max_num_queries: Any
) -> None:
    ingest.process([inventory(B, listed("101,2")), state(B, "101,2", 1, power=1)])
    announce = {"type": "device_announce", "data": {"ieee_address": IEEE, "friendly_name": "101,2"}}
    with django_assert_max_num_queries(100 + 20):  # an UPDATE each
        ingest.process([message(f"{B}/bridge/event", announce, minute=2)] * 100)
    assert device().announced_at == T0 + timedelta(minutes=2)


def test_what_a_device_measures_is_not_unlearned_during_an_interview(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2"))])
    ingest.process([inventory(B, listed("101,2", definition=None, interview_state="IN_PROGRESS"))])
    assert device().kind == "single_phase"
    assert device().interview_state == "IN_PROGRESS"


def test_the_last_live_message_owns_a_device_that_two_areas_list(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2"), minute=0), inventory(B2, listed("moved"), minute=1)])
    assert device().area is not None
    assert device().area.base_topic == B
    ingest.process([state(B2, "moved", 2, power=5)])
    device_now = device()
    assert (device_now.area.base_topic if device_now.area else None, device_now.friendly_name) == (B2, "moved")
    assert Meter.objects.count() == 1


def test_a_device_taken_out_of_one_area_stays_where_another_lists_it(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), inventory(B2, listed("moved")), inventory(B)])
    assert device().removed_at is None
    assert device().friendly_name == "moved"


def test_availability_is_believed_from_the_owner_only(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), inventory(B2, listed("moved"))])
    ingest.process([message(f"{B2}/moved/availability", b"offline")])
    assert device().available is None
    ingest.process([message(f"{B}/101,2/availability", {"state": "offline"}, retained=True)])
    assert device().available is False


def test_who_is_heard_after_an_offline_is_available(ingest: Ingest) -> None:
    """A broker that crashed hands out an `offline` of before, and Zigbee2MQTT sees nothing to tell."""
    ingest.process([inventory(B, listed("101,2"))])
    ingest.process([message(f"{B}/101,2/availability", {"state": "offline"}, retained=True, minute=5)])
    late = {"last_seen": (T0 + timedelta(minutes=4)).isoformat()}
    ingest.process([state(B, "101,2", 6, power=1, **late)])
    assert device().available is False
    ingest.process([state(B, "101,2", 7, power=1)])
    assert (device().available, device().available_since) == (True, T0 + timedelta(minutes=7))


def test_the_inventory_never_says_that_a_device_is_available(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), message(f"{B}/101,2/availability", b"offline")])
    ingest.process([inventory(B, listed("101,2", vendor="x"), retained=True)])
    assert device().available is False


def test_of_a_device_that_joins_it_is_told_that_it_is_available_before_it_is_listed(ingest: Ingest) -> None:
    ingest.process([inventory(B), message(f"{B}/{IEEE}/availability", {"state": "online"})])
    ingest.process([inventory(B, listed(IEEE), minute=1)])
    assert device().available is True
    assert codes() == {}


def test_the_retained_word_on_a_removed_device_is_no_news(ingest: Ingest) -> None:
    ingest.process([message(f"{B}/gone/availability", b"online", retained=True)])
    assert codes() == {}


def test_a_reading_is_known_by_its_address_even_under_another_name(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2"))])
    ingest.process([state(B, "renamed meanwhile", power=9, device={"ieeeAddr": IEEE})])
    assert latest().power_w == 9


# --- readings


@pytest.mark.parametrize(
    "quiet",
    [
        {"retained": True},
        {"payload": {"power": 5, "last_seen": T0.isoformat()}},
        {"payload": {"power": 5, "linkquality": None}},
    ],
)
def test_what_was_not_heard_just_now_is_no_reading(ingest: Ingest, quiet: dict[str, Any]) -> None:
    ingest.process([inventory(B, listed("101,2"))])
    payload = quiet.pop("payload", {"power": 5, "linkquality": 90})
    ingest.process([message(f"{B}/101,2", payload, **quiet)])
    assert not Reading.objects.exists()
    assert not MeterState.objects.filter(heard_at__isnull=False).exists()


def test_without_last_seen_the_time_is_that_of_receipt(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), message(f"{B}/101,2", {"power": 5, "linkquality": 9}, minute=3)])
    assert latest().power_at == T0 + timedelta(minutes=3)


def test_a_repeater_is_heard_and_measures_nothing(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("r", measures=False)), state(B, "r")])
    assert device().heard_at == T0
    assert not Reading.objects.exists()


def test_a_group_is_no_meter(ingest: Ingest) -> None:
    ingest.process([message(f"{B}/bridge/groups", [{"id": 1, "friendly_name": "alle"}])])
    ingest.process([state(B, "alle", state="ON"), message(f"{B}/alle/availability", b"online")])
    assert codes() == {}
    assert not Device.objects.exists()


def test_a_replacement_of_the_same_name_never_bills_the_old_meter(ingest: Ingest) -> None:
    """While we were away 101,2 was exchanged; what waited at the broker came before the new inventory."""
    ingest.process([inventory(B, listed("101,2")), state(B, "101,2", energy=500)])
    away = [state(B, "101,2", minute, energy=minute / 100) for minute in (5, 6, 7, 8)]
    ingest.process([message(m.topic, m.payload, minute=9, generation=2) for m in away])
    ingest.process([inventory(B, listed("101,2", OTHER), minute=9, generation=2)])
    ingest.process([message(m.topic, m.payload, minute=10, generation=2) for m in [state(B, "101,2", 10, energy=0.2)]])
    assert latest().energy_kwh == 0
    assert latest(OTHER).counter_kwh == Decimal("0.200")
    assert not QuarantinedReading.objects.exists()


def test_names_are_trusted_again_after_a_while_without_an_inventory(ingest: Ingest) -> None:
    """A broker that lost its memory sends no inventory until Zigbee2MQTT starts anew."""
    ingest.process([inventory(B, listed("101,2")), state(B, "101,2", energy=500)])
    for minute, energy in ((10, 500.1), (12, 500.2)):
        told = state(B, "101,2", minute, energy=energy)
        ingest.process([message(told.topic, told.payload, minute=minute, generation=2)])
    assert latest().energy_kwh == Decimal("0.200")


# --- areas


def test_a_bridge_says_that_it_is_online_and_its_last_will_that_it_is_not(ingest: Ingest) -> None:
    ingest.process([message(f"{B}/bridge/state", {"state": "online"}, retained=True)])
    assert AreaState.objects.get(area__base_topic=B).bridge == "online"
    outcome = ingest.process([message(f"{B}/bridge/state", {"state": "offline"}, minute=1)])
    assert AreaState.objects.get(area__base_topic=B).bridge == "offline"
    assert len(outcome.areas) == 1


def test_info_is_kept_and_changes_what_counts_as_fresh(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), state(B, "101,2", 0, power=5), state(B, "101,2", 1, power=5)])
    assert latest().power_at == T0
    config = {
        "device_options": {"filtered_cache": ["^power$"]},
        "availability": {"active": {"pause_on_backoff_gt": 15}},
    }
    ingest.process([message(f"{B}/bridge/info", {"version": "2.14.1", "network": {"channel": 11}, "config": config})])
    ingest.process([state(B, "101,2", 2, power=5)])
    assert latest().power_at == T0 + timedelta(minutes=2)
    reported = AreaState.objects.get(area__base_topic=B)
    assert (reported.version, reported.channel, reported.is_backoff_safe) == ("2.14.1", 11, True)


def test_a_pattern_that_python_cannot_count_to_stops_no_message(ingest: Ingest) -> None:
    """It stands in the area's configuration, which is read for every message of every area."""
    config = {"device_options": {"filtered_cache": ["a{99999999999}", "^power$"]}}
    ingest.process([inventory(B, listed("101,2")), message(f"{B}/bridge/info", {"config": config})])
    ingest.process([state(B, "101,2", 0, power=5), state(B, "101,2", 1, power=5)])
    assert latest().power_at == T0 + timedelta(minutes=1)
    assert codes() == {}


def test_a_health_report_from_the_future_is_refused(ingest: Ingest) -> None:
    ingest.process([message(f"{B}/bridge/health", {"response_time": 4_102_444_800_000})])
    assert not AreaHealth.objects.exists()
    assert codes() == {"from_the_future": 1}


def test_a_lost_antenna_is_known_until_its_zigbee2mqtt_runs_again(ingest: Ingest) -> None:
    """In the order that Zigbee2MQTT 2.14.1 tells it; a worker that starts meanwhile hears what is retained."""

    def lost() -> bool:
        return AreaState.objects.get(area__base_topic=B).has_lost_coordinator

    info = {"version": "2.14.1", "coordinator": {"type": "ZStack3x0"}}
    line = {"level": "error", "message": "z2m: Adapter disconnected, stopping"}
    ingest.process([message(f"{B}/bridge/state", {"state": "online"}), message(f"{B}/bridge/info", info)])
    ingest.process([message(f"{B}/bridge/logging", line)])
    assert not lost()
    ingest.process([message(f"{B}/bridge/state", {"state": "offline"})])
    assert lost()
    ingest.process([message(f"{B}/bridge/info", info, retained=True)])
    assert lost()
    ingest.process([message(f"{B}/bridge/state", {"state": "online"}), message(f"{B}/bridge/info", info)])
    ingest.process([message(f"{B}/bridge/state", {"state": "offline"})])
    assert not lost()


def test_the_retained_health_report_is_kept_once(ingest: Ingest) -> None:
    health = {"response_time": 1782900002000, "process": {"uptime_sec": 5}, "mqtt": {"queued": 0}}
    ingest.process([message(f"{B}/bridge/health", health), message(f"{B}/bridge/health", health, retained=True)])
    assert AreaHealth.objects.get().uptime_s == 5


def test_an_unknown_zigbee2mqtt_is_offered(ingest: Ingest) -> None:
    ingest.process(
        [
            message("zigbee2mqtt_area7/bridge/state", {"state": "online"}, retained=True),
            message("zigbee2mqtt_area7/bridge/info", {"version": "2.1", "network": {"channel": 25}}, retained=True),
            message("elsewhere/temperature", b"21"),
        ]
    )
    found = FoundInstance.objects.get()
    assert (found.base_topic, found.version, found.channel) == ("zigbee2mqtt_area7", "2.1", 25)


# --- bad messages

JUNK = [
    b"\xff\xfe",
    b"{",
    b'{"power": NaN}',
    {"power": "25"},
    {"power": 2**40},
    {"voltage": 99999},
    {"last_seen": "2026-07-01T11:00:00Z", "linkquality": 5},
    {"last_seen": "2020-07-01T11:00:00Z", "linkquality": 5},
    b"\0",
]


def test_a_bad_message_never_stops_a_good_one(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2"))])
    batch = [m for i, bad in enumerate(JUNK) for m in (message(f"{B}/101,2", bad), state(B, "101,2", i, power=i))]
    outcome = ingest.process([*batch, state(B, "<script>", power=1), message(f"{B}/bridge/devices", b"7")])
    assert (outcome.stored, outcome.rejected) == (len(JUNK), len(JUNK) + 2)
    assert Reading.objects.count() == len(JUNK)
    for code in ("from_the_future", "before_retention", "unknown_device", "not_a_list"):
        assert codes()[code] == 1


def test_a_reading_of_a_day_that_was_given_up_is_refused_by_name_however_long_readings_are_kept_by_now(
    ingest: Ingest,
) -> None:
    ingest.process([inventory(B, listed("101,2")), state(B, "101,2", power=1)])
    ReadingDay.objects.create(day=T0.date() - timedelta(days=3), forgotten_at=T0)
    ingest.forget()
    told = [T0 - timedelta(days=days, hours=T0.hour) for days in (3, 2)]  # the first moments of both days
    ingest.process([state(B, "101,2", power=2, last_seen=at.isoformat()) for at in told])
    assert codes() == {"before_retention": 1}
    assert set(Reading.objects.values_list("measured_at", flat=True)) == {T0, told[1]}


def test_messages_that_were_refused_long_ago_are_forgotten_unless_they_came_again(ingest: Ingest) -> None:
    ingest.process([state(B, "unknown", power=1), state(B, "unknown 2", 2, power=1)])
    assert rejected.prune(T0 + timedelta(minutes=1)) == 1
    assert RejectedMessage.objects.get().topic == f"{B}/unknown 2"


def test_the_rejected_are_counted_by_topic_and_reason_and_bounded(ingest: Ingest) -> None:
    for i in range(3):
        ingest.process([state(B, f"unknown {n}", power=i) for n in range(600)])
    assert RejectedMessage.objects.count() == 600
    ingest.process([state(B, f"other {n}", power=1) for n in range(600)])
    assert RejectedMessage.objects.count() == 1000


def test_no_sample_is_kept_of_what_may_hold_a_secret(ingest: Ingest) -> None:
    ingest.process([message(f"{B}/bridge/response/backup", b'{"data":{"zip":"SECRET"')])
    assert RejectedMessage.objects.get().sample == ""


def test_html_in_a_name_is_kept_as_it_is_and_nul_is_refused(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("<b>x</b>"), listed("a\0b", OTHER))])
    assert device().friendly_name == "<b>x</b>"
    assert Device.objects.count() == 1
    assert codes() == {"bad_name": 1}


def test_what_only_the_database_refuses_is_found_by_halving(ingest: Ingest) -> None:
    ingest.process([inventory(B, *(listed(f"m{i}", f"0xa4c138d6300001{i:02x}") for i in range(8)))])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE meters_meterstate ADD CONSTRAINT odd CHECK (power_w <> 13)")
    outcome = ingest.process([state(B, f"m{i}", 1, power=13 if i == 5 else i) for i in range(8)])
    assert (outcome.stored, outcome.rejected) == (7, 1)
    assert codes() == {"not_storable": 1}
    assert Reading.objects.count() == 7


def test_a_burst_is_one_batch_of_few_queries(ingest: Ingest, django_assert_max_num_queries: Any) -> None:
    ingest.process([inventory(B, *(listed(f"m{i}", f"0xa4c138d63000{i:04x}") for i in range(300)))])
    ingest.process([state(B, f"m{i}", 0, energy=1) for i in range(300)])
    with django_assert_max_num_queries(18):
        ingest.process([state(B, f"m{i}", 1 + n / 100, power=n, energy=1.01) for n in range(10) for i in range(300)])


def test_the_directory_is_read_anew_after_a_failed_batch(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), message(f"{B}/x", b"{")])
    assert Listing.objects.get().friendly_name == "101,2"
    ingest.process([state(B, "101,2", power=4)])
    assert latest().power_w == 4


# --- what only shows in bad company


def test_commands_are_no_sign_of_life_of_a_zigbee2mqtt(ingest: Ingest) -> None:
    ingest.process([message(f"{B}/101,2/get", {"state": ""}), message(f"{B}/bridge/request/restart", {})])
    assert not AreaState.objects.filter(confirmed_at__isnull=False).exists()


def test_what_the_broker_retains_is_no_proof_that_a_zigbee2mqtt_runs(ingest: Ingest) -> None:
    """A standby broker with an older memory hands out the word of one that has died since."""
    online = message(f"{B}/bridge/state", {"state": "online"}, retained=True)
    ingest.process([online])
    told = AreaState.objects.get()
    assert (told.bridge, told.confirmed_at, told.seen_at) == ("online", None, None)
    assert areas.doubt(online.received_at) == [told.area_id]
    assert AreaState.objects.get().bridge == "unknown"
    ingest.process(
        [message(f"{B}/bridge/response/health_check", {"data": {"healthy": True}, "status": "ok"}, minute=1)]
    )
    assert AreaState.objects.get().bridge == "online"
    assert areas.doubt(online.received_at) == []


def test_an_inventory_line_that_cannot_be_read_removes_nobody(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2"), listed("102", OTHER))])
    ingest.process([inventory(B, listed("x" * 300), listed("102", OTHER), minute=1)])
    assert device().removed_at is None
    assert device().friendly_name == "101,2"


def test_a_list_that_is_not_whole_removes_nobody(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), message(f"{B}/bridge/devices", [])])
    assert device().removed_at is None
    assert codes() == {"no_coordinator": 1}


def test_what_was_told_before_the_inventory_outlives_a_failed_batch(ingest: Ingest) -> None:
    ingest.process([message(f"{B}/101,2/availability", b"offline", retained=True)])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE meters_areahealth ADD CONSTRAINT odd CHECK (uptime_s <> 13)")
    health = {"response_time": 1782900002000, "process": {"uptime_sec": 13}}
    ingest.process([inventory(B, listed("101,2")), message(f"{B}/bridge/health", health)])
    assert device().available is False


def poisoned(*messages: Message) -> list[Message]:
    """A batch that is stored only by halves."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE meters_areahealth ADD CONSTRAINT odd CHECK (uptime_s <> 13)")
    health = {"response_time": 1782900002000, "process": {"uptime_sec": 13}}
    generation = messages[0].generation
    return [*messages, message(f"{B}/bridge/health", health, minute=1, generation=generation)]


def test_commands_that_lay_on_the_broker_are_forgotten_though_the_connections_first_batch_fails(ingest: Ingest) -> None:
    left = AreaState.objects.values_list("retained_commands", flat=True)
    ingest.process([message(f"{B}/101,2/set", b"OFF", retained=True)])
    assert list(left) == [["101,2/set"]]
    lies = message(f"{B}/102/set", b"OFF", retained=True, generation=2)
    ingest.process(poisoned(lies, message(f"{B}/bridge/state", {"state": "online"}, generation=2)))
    assert codes() == {"not_storable": 1}
    assert list(left.all()) == [["102/set"]]


def test_a_relay_that_moved_in_a_batch_that_fails_has_moved(ingest: Ingest) -> None:
    config = {"device_options": {"filtered_cache": ["^state$"]}}
    ingest.process([message(f"{B}/bridge/info", {"config": config}), inventory(B, listed("101,2"))])
    ingest.process([state(B, "101,2", state="OFF")])
    outcome = ingest.process(poisoned(state(B, "101,2", 1, state="ON")))
    assert (outcome.rejected, latest().relay) == (1, True)
    assert outcome.moved == {latest().meter_id}


def test_what_another_area_has_lost_may_be_at_home_here(ingest: Ingest) -> None:
    ingest.process([inventory(B, listed("101,2")), inventory(B2, listed("moved")), state(B2, "moved", 1, power=5)])
    leave = {"type": "device_leave", "data": {"ieee_address": IEEE, "friendly_name": "101,2"}}
    ingest.process([message(f"{B}/bridge/event", leave, minute=2)])
    assert device().left_at is None


def test_thousands_of_strangers_on_the_broker_hold_nobody_up(
    ingest: Ingest, django_assert_max_num_queries: Any
) -> None:
    strangers = [message(f"stray{i}/bridge/state", b"online") for i in range(1000)]
    told = message("stray998/bridge/info", {"version": "2.1.0"})
    with django_assert_max_num_queries(50 * 6 + 20):
        ingest.process([told, *strangers])
    assert FoundInstance.objects.count() == 50
    assert FoundInstance.objects.get(base_topic="stray998").version == "2.1.0"


def test_found_zigbee2mqtts_are_bounded_and_the_newest_stay(ingest: Ingest) -> None:
    for i in range(60):
        ingest.process([message(f"stray{i}/bridge/state", b"online", minute=i)])
    ingest.process([message(f"{'x' * 300}/bridge/state", b"online", minute=61)])
    assert FoundInstance.objects.count() == 50
    assert FoundInstance.objects.filter(base_topic="stray59").exists()
