"""Zigbee2MQTT's error lines fail the attempt they tell of, in their area only, sooner than its time would have."""

from datetime import datetime, timedelta

import pytest

from meters.commands import queue
from meters.ingest import Ingest
from meters.models import Command, Device, Meter
from tests import make
from tests.meters.messages import T0, inventory, listed, message

pytestmark = pytest.mark.django_db

B, B2 = "zigbee2mqtt_area2", "zigbee2mqtt_area3"
NAME, IEEE = "area2-plug-004", "0xa4c138d630000004"
OPTIONS = (
    '{"timeout":10000,"disableResponse":false,"disableRecovery":false,"disableDefaultResponse":false,'
    '"direction":0,"reservedBits":0,"writeUndiv":false}'
)
COMMAND = f"z2m: Publish 'set' 'state' to '{NAME}' failed: 'Error: ZCL command {IEEE}/1 genOnOff.off({{}}, {OPTIONS})"
MAC = f"{COMMAND} failed (Data request failed with error: 'MAC_NO_ACK' (0xe9))'"
TIMEOUT = f"{COMMAND} failed (Timeout after 10000ms [address=4299 endpoint=1 clusterId=6 cmdId=11 tsn=6])'"
EMBER = f"{COMMAND} failed (Delivery failed for '4410'.)'"
EMBER_TIMEOUT = f'{COMMAND} failed ({{"target":4410}} timed out after 10000ms)\''
READ = (
    f"z2m: Publish 'get' 'state' to '{NAME}' failed: 'Error: ZCL command {IEEE}/1 genOnOff.read([\"onOff\"], {OPTIONS})"
    " failed (Timeout after 10000ms [address=4299 endpoint=1 clusterId=6 cmdId=1 tsn=7])'"
)
UNKNOWN_ADDRESS = f"z2m: Entity '{IEEE}' is unknown"
UNKNOWN_NAME = f"z2m: Entity '{NAME}' is unknown"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


class Area2:
    """An area with one meter that a command is under way to since T0."""

    def __init__(self, version: str = "2.14.1") -> None:
        self.area = make.area(base_topic=B, reported={"version": version}, control="act")
        make.area(base_topic=B2, control="act")
        self.ingest = Ingest()
        self.ingest.process([inventory(B, listed(NAME, IEEE), minute=-10)])
        self.meter = Meter.objects.get(device__ieee_address=IEEE)
        want = make.want(self.meter, False, since=T0, created_at=T0)
        self.command = make.command(want, created_at=T0, expires_at=at(900))
        self.claim(0)

    def claim(self, seconds: float) -> None:
        assert queue.claim(self.command.pk, self.area.pk, at(seconds))
        queue.note_sent(self.command.pk, at(seconds), at(seconds))

    def says(self, text: str, seconds: float = 10, *, base: str = B, level: str = "error") -> tuple[str, str]:
        """The command's status and failure after this line."""
        line = {"level": level, "message": text}
        self.ingest.process([message(f"{base}/bridge/logging", line, minute=seconds / 60)])
        self.command.refresh_from_db()
        return self.command.status, self.command.failure


@pytest.fixture
def area2() -> Area2:
    return Area2()


@pytest.mark.parametrize(
    ("line", "failure"),
    [(MAC, "unreachable"), (EMBER, "unreachable"), (TIMEOUT, "no_answer"), (EMBER_TIMEOUT, "no_answer")],
)
def test_the_adapters_words_tell_why(area2: Area2, line: str, failure: str) -> None:
    assert area2.says(line) == ("queued", failure)
    assert area2.command.not_before == at(35)


def test_the_adapters_words_are_kept_for_people(area2: Area2) -> None:
    area2.says(MAC)
    assert area2.command.detail == "Data request failed with error: 'MAC_NO_ACK' (0xe9)"


def test_anything_else_is_a_refusal(area2: Area2) -> None:
    assert area2.says(f"{COMMAND} failed (Status 'FAILURE')'") == ("queued", "refused")
    assert area2.command.detail == "Status 'FAILURE'"


def test_the_third_line_fails_the_command(area2: Area2) -> None:
    area2.says(MAC, 10)
    area2.claim(35)
    area2.says(MAC, 45)
    area2.claim(105)
    assert area2.says(MAC, 115) == ("failed", "unreachable")


def test_a_renamed_meter_is_found_by_its_address(area2: Area2) -> None:
    assert area2.says(MAC.replace(NAME, "new name")) == ("queued", "unreachable")


def test_a_line_about_another_meter_with_this_ones_old_name_tells_nothing(area2: Area2) -> None:
    assert area2.says(MAC.replace(IEEE, "0xa4c138d630000009")) == ("sent", "")


def test_a_line_without_an_address_is_matched_by_name_or_by_the_address_in_the_topic(area2: Area2) -> None:
    assert area2.says(UNKNOWN_NAME) == ("queued", "unknown_device")
    area2.claim(35)
    assert area2.says(UNKNOWN_ADDRESS, 36) == ("queued", "unknown_device")


def test_another_areas_line_tells_nothing(area2: Area2) -> None:
    assert area2.says(MAC, base=B2) == ("sent", "")


@pytest.mark.parametrize("level", ["warning", "info", "debug"])
def test_only_errors_tell(area2: Area2, level: str) -> None:
    assert area2.says(MAC, level=level) == ("sent", "")


@pytest.mark.parametrize(
    "line",
    [
        f"z2m: Failed to ping '{NAME}' (attempt 1/2, ZCL command {IEEE}/1 genBasic.read failed (MAC_NO_ACK))",
        "z2m: Not connected to MQTT server!",
        f"z2m: No converter available for 'transaction' on '{NAME}': ({{}})",
        READ.replace("'get' 'state'", "'get' 'power'"),
        MAC.replace("'set' 'state'", "'set' 'read'"),
        "",
    ],
)
def test_other_lines_tell_nothing_of_the_command(area2: Area2, line: str) -> None:
    assert area2.says(line) == ("sent", "")


def test_a_failed_question_fails_the_attempt_only_where_we_asked(area2: Area2) -> None:
    assert area2.says(READ) == ("sent", "")
    queue.note_asked(area2.command.pk, T0, at(35))
    assert area2.says(READ, 46) == ("queued", "no_answer")


def test_a_line_of_the_attempt_before_does_not_fail_the_present_one(area2: Area2) -> None:
    """It waited in the queue while the next attempt was sent."""
    queue.fail_attempt(area2.command.pk, T0, Command.Failure.UNANSWERED, at(47))
    area2.claim(47)
    assert area2.says(TIMEOUT, 46.9)[0] == "sent"


def test_a_line_fails_no_command_that_is_not_under_way(area2: Area2) -> None:
    queue.confirm(area2.command.pk, T0, at(5))
    assert area2.says(MAC) == ("confirmed", "")


def test_the_same_line_twice_costs_one_attempt(area2: Area2) -> None:
    area2.says(MAC, 10)
    area2.says(MAC, 11)
    assert area2.command.attempts == 1


# --- Zigbee2MQTT 1.x -------------------------------------------------------------------------------------------------


def test_a_1_x_that_does_not_know_the_address_is_called_by_name_at_once() -> None:
    area2 = Area2("1.42.0")
    assert area2.says(UNKNOWN_ADDRESS, 0.1) == ("queued", "")
    command = area2.command
    assert (command.by_name, command.attempts, command.not_before) == (True, 0, None)


@pytest.mark.parametrize(
    "name",
    ["0xa4c138d630000005", "coordinator", "bridge/request/device/remove", "101/set", "a/get/b", "x/availability"],
)
def test_a_name_that_means_something_else_is_never_published_to(name: str) -> None:
    """Whatever a device was called there: another device's address, the antenna, a topic of the Zigbee2MQTT's own."""
    area2 = Area2("1.42.0")
    Device.objects.filter(ieee_address=IEEE).update(friendly_name=name)
    assert area2.says(UNKNOWN_ADDRESS, 0.1) == ("queued", "unknown_device")
    assert not area2.command.by_name


def test_a_1_x_that_does_not_know_the_name_either_fails_the_attempt() -> None:
    area2 = Area2("1.42.0")
    area2.says(UNKNOWN_ADDRESS, 0.1)
    area2.claim(0.2)
    assert area2.says(UNKNOWN_NAME, 0.3) == ("queued", "unknown_device")
    assert area2.command.not_before == at(35.2)


def test_a_1_x_that_fails_otherwise_is_not_called_by_name() -> None:
    area2 = Area2("1.42.0")
    area2.says(MAC)
    assert not area2.command.by_name


@pytest.mark.parametrize("version", ["2.14.1", "10.0.0", ""])
def test_others_are_never_called_by_name(version: str) -> None:
    area2 = Area2(version)
    assert area2.says(UNKNOWN_ADDRESS) == ("queued", "unknown_device")
    assert not area2.command.by_name
