"""The audit beside the real Zigbee2MQTT on a simulated radio: what Apply asks for is taken, comes into force, and the
deviation is gone by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters import notify, requests
from meters.models import Area, AreaState, BridgeRequest
from monitoring import audit
from monitoring.audit import AreaFacts, Look, Verdict, fragment, profile
from monitoring.checks import areas
from monitoring.checks import audit as check
from tests import make
from tests.meters import conftest, harness
from tests.meters.harness import Services, Twin, Workers, until

pytestmark = [
    pytest.mark.services,
    pytest.mark.twin,
    pytest.mark.mosquitto,
    pytest.mark.parametrize("broker", ["mosquitto"], indirect=True),
]
services = conftest.services
PAUSE = "availability.active.pause_on_backoff_gt"


class World:
    """A worker, a Zigbee2MQTT with its area in service, and a technician at the area's page."""

    def __init__(self, services: Services, directory: Path, url: str, database_url: str) -> None:
        self._services, self._directory, self._url = services, directory, url
        self.workers = Workers(services, database_url, url)
        self.area = Area.objects.create(name="North", slug="north", base_topic="north", in_service=True)
        notify.touch()
        self.workers.start()
        self.client = Client(headers={"accept-language": "en"})
        self.client.force_login(make.superuser())

    def begin(self, devices: int, *options: str, **config: Any) -> None:
        words = ("--every", "0", *options)
        self.twin = Twin(self._directory, self._services, self._url, "north", devices, *words, **config)
        until(lambda: self.state().info_at and len(self.facts().devices) == devices, "its configuration and devices")

    def end(self) -> None:
        if hasattr(self, "twin"):
            self.twin.close()
        self.workers.end_all()

    def state(self) -> AreaState:
        return AreaState.of(Area.objects.select_related("state").get(pk=self.area.pk))

    def facts(self) -> AreaFacts:
        return audit.gather(timezone.now()).areas[0]

    def look(self, code: str) -> Look:
        site = audit.gather(timezone.now())
        return next(each.look for each in audit.of_area(site.areas[0], site) if each.rule.code == code)

    def apply(self, code: str) -> BridgeRequest:
        """Press Apply at the first deviation of this rule; the request with its answer."""
        about = self.look(code).deviations[0].about
        answer = self.client.post(reverse("area_apply", args=["north"]), {"rule": code, "about": about})
        asked = int(answer.headers["Location"].rpartition("=")[2])
        until(lambda: BridgeRequest.objects.get(pk=asked).finished_at, f"the answer to {code}")
        return BridgeRequest.objects.get(pk=asked)

    def page(self, asked: BridgeRequest) -> str:
        return self.client.get(reverse("area_page", args=["north"]), {"asked": asked.pk}).content.decode()

    def restart(self) -> None:
        """The button on the page that asks first; until the Zigbee2MQTT that comes back has told its configuration."""
        before = self.state().info_at
        self.client.post(reverse("admin:meters_area_ask", args=[self.area.pk, "restart"]))
        until(lambda: self.state().info_at != before and self.state().restart_required is False, "the restart")


@pytest.fixture
def world(services: Services, broker: Any, twin_dir: Path, django_db_blocker: Any) -> Iterator[World]:
    database_url = services.new_database()
    with django_db_blocker.unblock(), harness.speaking_to(database_url):
        world = World(services, twin_dir, broker.url, database_url)
        try:
            yield world
        finally:
            world.end()


def cascades() -> list[str]:
    return [finding.code for finding in areas.ping_cascades(timezone.now())]


def test_a_zigbee2mqtt_without_the_pause_is_found_cured_and_only_then_said_to_be_in_force(world: World) -> None:
    world.begin(2)
    assert world.look(PAUSE).now == "0"
    assert cascades() == ["ping_cascade"]

    asked = world.apply(PAUSE)
    assert (asked.status, asked.response["restart_required"]) == ("done", True)
    assert "It says that a restart is needed" in world.page(asked)
    assert cascades() == []
    assert world.look(PAUSE) == Look(Verdict.WAITS, "15")
    assert [each.code for each in areas.waiting_restarts(timezone.now() + areas.RESTART_WAITS)] == ["restart_waits"]

    world.restart()
    assert world.look(PAUSE) == Look(Verdict.OK, "15")
    assert not list(areas.waiting_restarts(timezone.now() + areas.RESTART_WAITS))


def test_each_deviation_of_a_bare_zigbee2mqtt_is_applied_one_after_the_other_until_none_is_left(world: World) -> None:
    """Settings of all kinds, a device's own options, and what a device reports; only one restart at the end."""
    wrong = {
        "availability": {"enabled": False, "active": {"backoff": False}, "passive": {"timeout": 5}},
        "mqtt": {"force_disable_retain": True},
        "advanced": {"output": "attribute_and_json", "cache_state": False, "log_level": "debug", "log_rotation": False},
        "device_options": {"retain": True},
        "health": {"interval": 30, "reset_on_check": True},
    }
    wrong["advanced"] |= {"log_directories_to_keep": 100}
    world.begin(2, "--last-seen", "disable", **wrong)
    world.twin.request("device/options", id="plug_2", options={"qos": 0, "retain": True})
    until(lambda: world.look("devices.options").deviations, "the options of plug_2")
    codes = {rule.code for rule in audit.RULES if world.look(rule.code).verdict is Verdict.WRONG}
    assert codes == {each.code for each in profile.SETTINGS} | {"devices.options", "reporting"}
    slow = [each.code for each in profile.SETTINGS if each.restart]
    for code in sorted(codes, key=lambda code: code in slow):  # what needs a restart comes last
        while (told := world.look(code)).verdict is Verdict.WRONG:
            asked = world.apply(code)
            assert (asked.status, asked.error) == ("done", ""), code
            until(lambda code=code, told=told: world.look(code) != told, f"{code} to be other")  # type: ignore[misc]
            if asked.request != "device/reporting/configure":
                assert asked.response["restart_required"] is (code in slow), code
    world.restart()
    told = {rule.code: world.look(rule.code) for rule in audit.RULES}
    assert {code for code, look in told.items() if look.verdict is Verdict.WRONG} == set()
    assert told["devices.options"].verdict is told["reporting"].verdict is Verdict.OK


def test_a_refusal_leaves_everything_as_it_was_and_is_told_in_its_words(world: World) -> None:
    world.begin(1)
    made = requests.ask(world.area, "options", {"options": {"availability": {"active": {"timeout": "x"}}}})
    until(lambda: BridgeRequest.objects.get(pk=made.pk).finished_at, "the answer")
    asked = BridgeRequest.objects.get(pk=made.pk)
    assert asked.status == "refused"
    assert "must be number" in asked.error
    assert asked.error in world.page(asked)
    assert world.look(PAUSE).verdict is Verdict.WRONG


def test_a_zigbee2mqtt_starts_with_its_fragment_merged_and_then_nothing_deviates(world: World) -> None:
    told = yaml.safe_load(fragment.text(AreaFacts(world.area, world.state())))
    world.begin(1, **told)
    wrong = {rule.code for rule in audit.RULES if world.look(rule.code).verdict is Verdict.WRONG}
    assert wrong == {"reporting"}
    assert {world.look(each.code).verdict for each in profile.SETTINGS} == {Verdict.OK}
    assert list(check.configurations(timezone.now())) == []
    assert cascades() == []

    world.twin.request("options", options={"mqtt": {"include_device_information": False}})  # somebody's hand
    until(lambda: list(check.configurations(timezone.now())), "the drift to be found")
    (finding,) = check.configurations(timezone.now())
    assert (finding.code, finding.facts["rules"]) == ("configuration_deviates", "mqtt.include_device_information")
