"""The configuration audit: what was reported against the recommended profile."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.conf import settings
from django.utils import timezone, translation

from meters.models import Area, Device, Listing, Meter, WorkerState
from meters.technician.reporting import PRESETS, Preset
from monitoring import audit
from monitoring.audit import Cure, Look, Verdict, fragment, profile
from monitoring.audit.facts import AreaFacts
from monitoring.audit.settings import nested
from monitoring.audit.verdicts import shown
from monitoring.checks import audit as check
from tests import make

pytestmark = pytest.mark.django_db
PAUSE = "availability.active.pause_on_backoff_gt"


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """As Zigbee2MQTT merges: lists are replaced."""
    both = {key: base.get(key) for key in base | more}
    for key, value in more.items():
        old = both[key]
        both[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def recommended(**more: Any) -> dict[str, Any]:
    configuration: dict[str, Any] = {}
    for each in profile.SETTINGS:
        configuration = merged(configuration, nested(each.path, each.wanted))
    return merged(configuration, more)


def reported(name: str = "North", configuration: dict[str, Any] | None = None, **told: Any) -> Area:
    """An area in service whose Zigbee2MQTT has told its configuration: the recommended one."""
    if not WorkerState.objects.exists():
        make.worker()
    now = timezone.now()
    told = {"confirmed_at": now, "permit_join": False, "restart_required": False, "version": "2.14.1"} | told
    told |= {"info_at": now, "configuration": recommended() if configuration is None else configuration}
    return make.area(name, in_service=True, reported=told)


def listed(area: Area, name: str, **device: Any) -> Meter:
    meter = make.meter(name, area=area, **device)
    list_in(area, meter.device)
    return meter


def list_in(area: Area, device: Device) -> None:
    Listing.objects.create(area=area, device=device, friendly_name=device.friendly_name, named_at=timezone.now())


def look(area: Area, code: str) -> Look:
    site = audit.gather(timezone.now())
    facts = next(each for each in site.areas if each.area.pk == area.pk)
    return next(each.look for each in audit.of_area(facts, site) if each.rule.code == code)


def found() -> list[tuple[str, object]]:
    return [(finding.code, finding.facts.get("rules")) for finding in check.configurations(timezone.now())]


# --- settings --------------------------------------------------------------------------------------------------------


def test_a_zigbee2mqtt_that_has_told_nothing_is_unknown_by_every_rule() -> None:
    area = make.area("North", in_service=True)
    assert {look(area, rule.code).verdict for rule in audit.RULES} == {Verdict.UNKNOWN}
    assert found() == []


def test_the_recommended_profile_fits_itself() -> None:
    area = reported()
    assert {look(area, each.code).verdict for each in profile.SETTINGS} == {Verdict.OK}
    assert found() == []


@pytest.mark.parametrize("setting", profile.SETTINGS, ids=lambda setting: setting.code)
def test_each_setting_that_is_otherwise_is_found_and_its_cure_makes_it_fit(setting: profile.Setting) -> None:
    other = {bool: True, int: 999_999, str: "debug", list: []}[type(setting.wanted)]
    other = not setting.wanted if isinstance(setting.wanted, bool) else other
    area = reported(configuration=recommended(**nested(setting.path, other)))
    told = look(area, setting.code)
    (deviation,) = told.deviations
    assert told.verdict is Verdict.WRONG
    assert deviation.cure
    assert (deviation.cure.request, deviation.cure.restart) == ("options", setting.restart)
    area.state.configuration = merged(area.state.configuration, deviation.cure.payload["options"])
    area.state.save()
    assert look(area, setting.code).verdict is Verdict.OK


def test_a_setting_that_its_version_does_not_tell_is_unknown_but_a_list_that_is_absent_is_empty() -> None:
    area = reported(configuration={"availability": True, "device_options": {}})
    assert look(area, "availability.enabled").verdict is Verdict.UNKNOWN
    assert look(area, "advanced.output").verdict is Verdict.UNKNOWN
    assert look(area, "device_options.filtered_cache").now == "[]"
    assert look(area, PAUSE).verdict is Verdict.WRONG


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0, "wrong"), (7, "wrong"), (8, "ok"), (15, "ok"), (16, "wrong"), (True, "wrong"), ("9", "wrong")],
)
def test_the_pause_of_pings_is_between_8_and_15(value: object, verdict: str) -> None:
    area = reported(configuration=recommended(availability={"active": {"pause_on_backoff_gt": value}}))
    assert look(area, PAUSE).verdict == verdict
    assert found() == []  # ping_cascade tells it


def test_what_needs_a_restart_that_is_due_is_not_said_to_be_in_force() -> None:
    area = reported(restart_required=True)
    assert look(area, PAUSE).verdict is Verdict.WAITS
    assert look(area, "advanced.last_seen").verdict is Verdict.OK
    assert found() == []  # restart_waits tells it, after an hour


def test_what_else_is_kept_out_of_the_cache_stays_so() -> None:
    own = {"filtered_cache": ["^temperature$", "^power$"]}
    area = reported(configuration=recommended(device_options=own))
    (deviation,) = look(area, "device_options.filtered_cache").deviations
    wanted = ["^temperature$", "^power$", "^state$", "^current$", "^voltage$", "^energy$"]
    assert deviation.cure == Cure("options", {"options": {"device_options": {"filtered_cache": wanted}}})


def test_a_long_value_is_cut_and_one_of_another_kind_is_wrong() -> None:
    area = reported(configuration=recommended(advanced={"output": ["<b>"] * 900}))
    told = look(area, "advanced.output")
    assert told.verdict is Verdict.WRONG
    assert len(told.now) == 120


# --- the network -----------------------------------------------------------------------------------------------------


def test_two_areas_of_one_pan_are_found_in_both() -> None:
    same = {"pan_id": "6754", "extended_pan_id": "0xdd"}
    north, south = reported("North", network=same), reported("South", network=same | {"extended_pan_id": "0xee"})
    other = reported("West", network={"pan_id": "6755", "extended_pan_id": "0xff"})
    assert look(north, "pan_id").now == "6754 = South"
    assert look(south, "pan_id").verdict is Verdict.WRONG
    assert look(south, "extended_pan_id").verdict is Verdict.OK
    assert look(other, "pan_id").verdict is Verdict.OK
    assert found() == [("configuration_deviates", "pan_id")] * 2


def test_a_channel_off_the_plan_has_no_cure_of_one_click_and_without_a_plan_nothing_is_said() -> None:
    area = reported(channel=20)
    assert look(area, "channel") == Look(Verdict.UNKNOWN, "20")
    Area.objects.update(expected_channel=25)
    (deviation,) = look(area, "channel").deviations
    assert (deviation.now, deviation.wanted, deviation.cure) == ("20", "25", None)
    Area.objects.update(expected_channel=20)
    assert look(area, "channel").verdict is Verdict.OK


def test_versions_apart_are_found_where_the_older_one_is() -> None:
    old, new = reported("North", version="2.9.2"), reported("South", version="2.14.1")
    assert look(old, "version").deviations[0].wanted == "2.14.1"
    assert look(new, "version").verdict is Verdict.OK


def test_an_open_network_is_closed_by_its_cure_and_one_whose_time_is_over_is_closed() -> None:
    now = timezone.now()
    area = reported(permit_join=True)
    (deviation,) = look(area, "permit_join").deviations
    assert deviation.cure == Cure("permit_join", {"time": 0})
    area.state.permit_join_until = now
    area.state.save()
    assert look(area, "permit_join").verdict is Verdict.OK


# --- devices ---------------------------------------------------------------------------------------------------------


def test_a_device_in_two_areas_is_found_in_both() -> None:
    north, south = reported("North"), reported("South")
    meter = listed(north, "101")
    listed(south, "102")
    list_in(south, meter.device)
    assert look(north, "twice_listed").deviations[0].now == "North, South"
    assert look(south, "twice_listed").now == "1 / 2"


def test_a_disabled_device_is_named_and_its_cure_is_its_own() -> None:
    area = reported()
    listed(area, "101")
    meter = listed(area, "102", disabled=True)
    (deviation,) = look(area, "disabled").deviations
    address = meter.device.ieee_address
    assert (deviation.name, deviation.about) == ("102", address)
    assert deviation.cure == Cure("device/options", {"id": address, "options": {"disabled": False}}, restart=True)


def test_a_device_whose_own_options_undo_the_profile() -> None:
    area = reported()
    first, second = listed(area, "101"), listed(area, "102")
    own = {first.device.ieee_address: {"friendly_name": "101", "retain": True, "qos": 0}, "0x1": {"retain": True}}
    own[second.device.ieee_address] = {"filtered_cache": ["^temperature$", *profile.MEASURED]}
    area.state.configuration = recommended(devices=own)
    area.state.save()
    (deviation,) = look(area, "devices.options").deviations
    assert (deviation.name, deviation.now, deviation.wanted) == ("101", "qos: 0", "qos: 1 / 2")
    assert deviation.cure == Cure("device/options", {"id": first.device.ieee_address, "options": {"qos": 1}})


def reporting(maximum_s: int, minimum_s: int = 5, attribute: str = "currentSummDelivered") -> dict[str, Any]:
    told = {"endpoint": 1, "cluster": "seMetering", "attribute": attribute, "reportable_change": 257}
    return told | {"minimum_report_interval": minimum_s, "maximum_report_interval": maximum_s}


def test_a_counter_told_once_an_hour_is_to_be_told_each_quarter_with_its_own_step() -> None:
    area = reported()
    slow = listed(area, "101", reportings=[reporting(3600)])
    listed(area, "102", reportings=[reporting(900)])
    listed(area, "103")
    told = look(area, "reporting")
    (deviation,) = told.deviations
    assert told.now == "1 / 2"
    assert deviation.cure == Cure(
        "device/reporting/configure",
        {
            "id": slow.device.ieee_address,
            "endpoint": 1,
            "cluster": "seMetering",
            "attribute": "currentSummDelivered",
            "minimum_report_interval": 5,
            "maximum_report_interval": 900,
            "reportable_change": 257,
        },
    )


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS.keys())
def test_what_a_technician_sets_is_not_wrong_here(preset: Preset) -> None:
    area = reported()
    listed(area, "101", reportings=[reporting(preset.maximum_s, preset.minimum_s)])
    assert look(area, "reporting").verdict is Verdict.OK


@pytest.mark.parametrize(("least", "most"), [(0, 900), (5, 0), (5, 65535)])
def test_a_meter_that_reports_each_moment_or_never_is_found(least: int, most: int) -> None:
    area = reported()
    listed(area, "101", reportings=[reporting(most, least)])
    (deviation,) = look(area, "reporting").deviations
    assert deviation.cure
    asked = deviation.cure.payload
    assert (asked["minimum_report_interval"], asked["maximum_report_interval"]) == (5, 900)


@pytest.mark.parametrize(
    ("policy", "memory", "verdict"),
    [
        ("automatic", "restore", "ok"),
        ("automatic", "on", "wrong"),
        ("automatic", "off", "wrong"),
        ("never_cut", "on", "ok"),
        ("never_cut", "off", "wrong"),
        ("never_cut", "", "unknown"),
    ],
)
def test_what_a_relay_does_when_power_returns_is_judged_by_its_pitch(policy: str, memory: str, verdict: str) -> None:
    area = reported()
    meter = listed(area, "101", outage_memory=memory)
    make.installed(meter, make.pitch("101", policy=policy))
    assert look(area, "outage_memory").verdict == verdict


def test_a_firmware_other_than_most_of_its_make_have_is_found() -> None:
    north, south = reported("North"), reported("South")
    for name in ("1", "2", "3"):
        listed(north, name, model_id="TS011F", software_build="1.0.5")
    odd = listed(south, "4", model_id="TS011F", software_build="1.0.4")
    listed(south, "5", model_id="Other", software_build="9")
    listed(south, "6", model_id="TS011F")
    told = look(south, "firmware")
    assert [(each.name, each.wanted) for each in told.deviations] == [(odd.device.friendly_name, "1.0.5")]
    assert told.now == "1 / 2"
    assert look(north, "firmware").verdict is Verdict.OK


# --- all of it -------------------------------------------------------------------------------------------------------


def test_weighty_deviations_are_one_finding_an_area_in_service() -> None:
    wrong = recommended(mqtt={"force_disable_retain": True}, advanced={"output": "attribute", "log_level": "debug"})
    reported("North", configuration=wrong)
    make.area("New", reported={"info_at": timezone.now(), "configuration": wrong})
    assert found() == [("configuration_deviates", "advanced.output, mqtt.force_disable_retain")]


def test_what_is_cured_is_looked_up_anew() -> None:
    area = reported(configuration=recommended(advanced={"output": "attribute"}))
    now = timezone.now()
    deviation = audit.deviation(area.slug, "advanced.output", "", now)
    assert deviation
    assert deviation.now == "attribute"
    for slug, code, about in (
        ("nowhere", "advanced.output", ""),
        (area.slug, "no.rule", ""),
        (area.slug, "advanced.output", "0x1"),
        (area.slug, "advanced.last_seen", ""),
    ):
        assert audit.deviation(slug, code, about, now) is None


def test_of_a_zigbee2mqtt_that_is_not_known_to_run_it_is_unknown_whether_it_is_open_or_waits_for_a_restart() -> None:
    area = reported(permit_join=True, restart_required=True)
    assert look(area, "permit_join").verdict is look(area, "restart_required").verdict is Verdict.WRONG
    type(area.state).objects.update(bridge="offline")
    assert look(area, "permit_join").verdict is look(area, "restart_required").verdict is Verdict.UNKNOWN
    assert found() == []


def test_gathering_costs_five_queries_however_many_devices(django_assert_num_queries) -> None:
    for name in ("North", "South"):
        area = reported(name)
        for number in range(5):
            make.installed(listed(area, f"{name} {number}"), make.pitch())
    with django_assert_num_queries(5):
        site = audit.gather(timezone.now())
        for facts in site.areas:
            audit.of_area(facts, site)


def test_the_fragment_is_yaml_keeps_what_fits_and_mends_the_rest() -> None:
    area = reported(configuration=recommended(health={"interval": 3}, advanced={"output": "attribute"}))
    text = fragment.text(AreaFacts(area, area.state))
    told = yaml.safe_load(text)
    assert told == merged(recommended(), {"health": {"interval": 3}})
    assert all(line.isascii() or line.lstrip().startswith("#") for line in text.splitlines())


def test_the_fragment_of_an_area_that_told_nothing_is_the_whole_profile() -> None:
    area = make.area("North")
    assert yaml.safe_load(fragment.text(AreaFacts(area, area.state))) == recommended()


# --- the document ----------------------------------------------------------------------------------------------------


def table() -> str:
    """The profile as docs/monitoring.md shows it."""
    lines = ["| rule | wanted | Apply sets | restart | weighty | why |", "|---|---|---|---|---|---|"]
    known = {each.code: each for each in profile.SETTINGS}
    with translation.override("en"):
        for rule in audit.RULES:
            setting = known.get(rule.code)
            told = [f"`{rule.code}`", str(setting.fits) if setting else str(rule.title)]
            told += [shown(setting.wanted) if setting else "", "yes" if setting and setting.restart else ""]
            told += ["yes" if rule.weighty else "", f"{rule.why} [{rule.source.rpartition('/')[2]}]"]
            lines.append(f"| {' | '.join(told)} |")
    return "\n".join(lines)


def test_the_document_shows_the_profile_as_it_is() -> None:
    assert table() in (settings.BASE_DIR / "docs" / "monitoring.md").read_text()
