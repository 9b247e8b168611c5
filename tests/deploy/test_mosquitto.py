"""The broker as it is deployed: who may hear and say what, tried by the real Mosquitto with our files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from meters import mqtt
from monitoring.checks import broker as checks
from tests.deploy.broker import DEPLOY, INVENTORY, CampsiteBroker, Somebody, areas
from tests.meters.harness import until

NORTH, SOUTH = "zigbee2mqtt", "zigbee2mqtt_area2"
OF_AN_AREA = (
    "plug",
    "plug/set",
    "plug/get",
    "plug/availability",
    "a/b/c/d/set",
    "bridge/state",
    "bridge/devices",
    "bridge/logging",
    "bridge/request/backup",
    "bridge/request/options",
    "bridge/response/backup",
    "bridge/request/converter/save",
    "bridge/request/converter/remove",
    "bridge/request/extension/save",
    "bridge/request/extension/remove",
)
PROGRAMS = {word for word in OF_AN_AREA if "/converter/" in word or "/extension/" in word}
SECRETS = {"bridge/logging", "bridge/request/backup", "bridge/request/options", "bridge/response/backup"}
ORDERS = {"plug/set", "plug/get", "a/b/c/d/set", "bridge/request/backup", "bridge/request/options"}
ELSEWHERE = {
    "campsite/round-trip",
    "homeassistant/status",
    "homeassistant/switch/0x1/config",
    "found/bridge/state",
    "found/bridge/response/backup",
    "found/deep/bridge/info",
    "$SYS/broker/uptime",
    "elsewhere",
}


def of(base: str, words: set[str]) -> set[str]:
    return {f"{base}/{word}" for word in words}


ALL = of(NORTH, set(OF_AN_AREA)) | of(SOUTH, set(OF_AN_AREA)) | ELSEWHERE
DISCOVERY = {"homeassistant/status", "homeassistant/switch/0x1/config"}
MAY_SAY = {
    "campsite": of(NORTH, ORDERS | {"plug/availability"})
    | of(SOUTH, ORDERS | {"plug/availability"})
    | {"campsite/round-trip"},
    "zigbee2mqtt_north": of(NORTH, set(OF_AN_AREA) - PROGRAMS) | DISCOVERY,
    "zigbee2mqtt_south": of(SOUTH, set(OF_AN_AREA) - PROGRAMS) | DISCOVERY,
    "homeassistant": {"homeassistant/status"},
    "monitor": set(),
}
MAY_HEAR = {
    "campsite": of(NORTH, set(OF_AN_AREA) - PROGRAMS)
    | of(SOUTH, set(OF_AN_AREA) - PROGRAMS)
    | {"campsite/round-trip", "found/bridge/state", "found/deep/bridge/info", "$SYS/broker/uptime"},
    "zigbee2mqtt_north": of(NORTH, set(OF_AN_AREA) - PROGRAMS) | DISCOVERY,
    "zigbee2mqtt_south": of(SOUTH, set(OF_AN_AREA) - PROGRAMS) | DISCOVERY,
    "homeassistant": of(NORTH, set(OF_AN_AREA) - PROGRAMS - SECRETS)
    | of(SOUTH, set(OF_AN_AREA) - PROGRAMS - SECRETS)
    | DISCOVERY,
    "monitor": {"$SYS/broker/uptime"},
}
WITNESSES = {"witness": "topic read #", "teller": "topic write #"}
"""Users of the test's own: one hears whatever got through, one may say everything."""

with_mosquitto = pytest.mark.mosquitto


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CampsiteBroker]:
    broker = CampsiteBroker(tmp_path_factory.mktemp("broker"), homeassistant="yes", rules=WITNESSES)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def witness(site: CampsiteBroker) -> Iterator[Somebody]:
    found = Somebody(site, "witness")
    found.listen("#")
    yield found
    found.leave()


@with_mosquitto
@pytest.mark.parametrize("user", MAY_SAY)
def test_each_user_says_what_is_his_and_nothing_else(site: CampsiteBroker, witness: Somebody, user: str) -> None:
    """Everything of ALL is tried: the other area's tree, its requests, backups, programs."""
    attacker, teller = Somebody(site, user), Somebody(site, "teller")
    for topic in sorted(ALL):
        attacker.say(topic, user)
    teller.say("end")
    witness.hears("end", "x")
    assert {topic for topic, payload in witness.heard if payload == user.encode()} == MAY_SAY[user]
    attacker.leave()
    teller.leave()


@with_mosquitto
@pytest.mark.parametrize("user", MAY_HEAR)
def test_each_user_who_listens_to_everything_hears_what_is_his_and_nothing_else(
    site: CampsiteBroker, user: str
) -> None:
    listener, teller = Somebody(site, user), Somebody(site, "teller")
    listener.listen("#", "$SYS/broker/uptime")
    for topic in sorted(ALL):
        teller.say(topic, "told")
    listener.listen("end")  # what was told before comes before the answer to this
    if "$SYS/broker/uptime" in MAY_HEAR[user]:
        until(lambda: "$SYS/broker/uptime" in dict(listener.heard), "the broker's own word")
    assert {topic for topic, _ in listener.heard} == MAY_HEAR[user]
    listener.leave()
    teller.leave()


@with_mosquitto
def test_a_retained_word_is_withheld_as_a_live_one_is(site: CampsiteBroker) -> None:
    own, other = Somebody(site, "zigbee2mqtt_south"), Somebody(site, "zigbee2mqtt_north")
    own.say(f"{SOUTH}/bridge/response/backup", "the key", retain=True)
    other.say(f"{NORTH}/plug", "mine", retain=True)
    other.listen("#", f"{SOUTH}/bridge/response/backup")
    other.hears(f"{NORTH}/plug", "mine")
    assert [topic for topic, _ in other.heard if topic.startswith(f"{SOUTH}/")] == []
    own.say(f"{SOUTH}/bridge/response/backup", "", retain=True)
    own.leave()
    other.leave()


@with_mosquitto
def test_who_does_not_know_the_workers_client_id_cannot_take_its_place(site: CampsiteBroker) -> None:
    """Who knows it can, whatever the rules say: that is why it is random. What waited for the worker is gone then."""
    own, worker = Somebody(site, "zigbee2mqtt_south"), Somebody(site, "campsite", client_id="campsite-0a1b2c")
    worker.listen(f"{SOUTH}/#")
    guesser = Somebody(site, "zigbee2mqtt_north", client_id="campsite-ingest")
    own.say(f"{SOUTH}/plug", "heard")
    worker.hears(f"{SOUTH}/plug", "heard")
    worker.leave()
    own.say(f"{SOUTH}/plug", "waits")
    knows = Somebody(site, "zigbee2mqtt_north", client_id="campsite-0a1b2c")
    knows.say(f"{NORTH}/plug", "x")
    knows.leave()
    back = Somebody(site, "campsite", client_id="campsite-0a1b2c")
    back.listen("end")
    assert (guesser.heard, knows.heard, back.heard) == ([], [], [])
    for each in (own, guesser, back):
        each.leave()


@with_mosquitto
@pytest.mark.parametrize(
    ("user", "password"), [("", ""), ("campsite", ""), ("campsite", "guess"), ("root", "x"), ("zigbee2mqtt_east", "x")]
)
def test_a_guest_on_the_network_is_refused(site: CampsiteBroker, user: str, password: str) -> None:
    login = f"{user}:{password}@" if user else ""
    with pytest.raises(mqtt.NoRoundTrip) as refused:
        mqtt.round_trip(f"mqtt://{login}127.0.0.1:{site.port}", 10)
    assert refused.value.how == "refused"


@with_mosquitto
def test_our_worker_goes_round_plain_and_by_tls(site: CampsiteBroker) -> None:
    authority = site.config / "tls" / "ca.crt"
    assert mqtt.round_trip(site.url(), 10).broker["version"].startswith("mosquitto version 2")
    assert mqtt.round_trip(site.tls_url(authority), 10).broker["version"].startswith("mosquitto version 2")


@with_mosquitto
def test_a_broker_whose_certificate_is_somebody_elses_is_told_no_password(site: CampsiteBroker, tmp_path: Path) -> None:
    areas.make_certificates(["localhost"], tmp_path / "tls", tmp_path)
    with pytest.raises(mqtt.NoRoundTrip) as failed:
        mqtt.round_trip(site.tls_url(tmp_path / "tls" / "ca.crt"), 10)
    assert (failed.value.how, failed.value.detail) == ("away", "SSLCertVerificationError")
    with pytest.raises(mqtt.NoRoundTrip):
        mqtt.round_trip(f"mqtts://campsite:x@localhost:{site.tls_port}", 10)  # no authority of this machine's either


@with_mosquitto
def test_a_backup_of_many_megabytes_passes_and_what_is_larger_ends_its_senders_connection_alone(
    site: CampsiteBroker,
) -> None:
    ours, other, attacker = (Somebody(site, f) for f in ("campsite", "zigbee2mqtt_north", "zigbee2mqtt_south"))
    ours.listen(f"{NORTH}/#")
    backup = bytes(16_000_000)
    other.say(f"{NORTH}/bridge/response/backup", backup)
    ours.hears(f"{NORTH}/bridge/response/backup", backup)
    attacker.client.publish(f"{SOUTH}/bridge/response/backup", bytes(17_000_000), qos=1)
    assert attacker.lost.wait(30)
    attacker.leave()
    other.say(f"{NORTH}/plug", "still here")
    ours.hears(f"{NORTH}/plug", "still here")
    assert not ours.lost.is_set()
    ours.leave()
    other.leave()


@with_mosquitto
@pytest.mark.django_db
def test_what_no_longer_fits_while_the_worker_is_away_is_lost_from_the_end_and_told(tmp_path: Path, settings) -> None:
    """With 500 instead of 200,000. What came first is kept: nothing that waits is pushed out."""
    broker = CampsiteBroker(tmp_path, lines={"max_queued_messages": "500", "sys_interval": "1"})
    broker.start()
    try:
        worker, area = Somebody(broker, "campsite", client_id="campsite-ingest"), Somebody(broker, "zigbee2mqtt_north")
        worker.listen(f"{NORTH}/#")
        worker.leave()
        for number in range(700):
            area.client.publish(f"{NORTH}/plug", str(number), qos=1)
        area.say(f"{NORTH}/plug", "last")
        settings.MQTT_URL = broker.url()
        told = until(lambda: list(checks.round_trip(None)), "the broker to tell what it dropped")  # type: ignore[arg-type]
        assert [finding.code for finding in told] == ["broker_drops"]
        back = Somebody(broker, "campsite", client_id="campsite-ingest")
        back.hears(f"{NORTH}/plug", "499")
        assert [int(payload) for _, payload in back.heard] == list(range(500))
        area.say(f"{NORTH}/plug", "and on")
        back.hears(f"{NORTH}/plug", "and on")
        back.leave()
        area.leave()
    finally:
        broker.stop()


@with_mosquitto
def test_a_new_area_is_let_in_without_a_restart_and_nobody_is_dropped(tmp_path: Path) -> None:
    broker = CampsiteBroker(tmp_path)
    broker.start()
    try:
        ours = Somebody(broker, "campsite")
        more = (
            "\n[east]\nname = Øst\nbase_topic = east\nchannel = 20\npan_id = 0x1a03\nport = /dev/x\nadapter = ember\n"
        )
        broker.inventory.write_text(broker.inventory.read_text() + more)
        before = (broker.config / "passwords").read_text()
        broker.make()
        assert (broker.config / "passwords").read_text().startswith(before.rpartition("monitor:")[0])
        assert broker.process
        broker.process.popen.send_signal(1)  # SIGHUP
        east = Somebody(broker, "zigbee2mqtt_east")
        ours.listen("east/#")
        east.say("east/plug", "new")
        ours.hears("east/plug", "new")
        assert not ours.lost.is_set()
        east.leave()
        ours.leave()
    finally:
        broker.stop()


def test_the_limits_are_those_that_our_worker_needs() -> None:
    told = dict(
        line.partition(" ")[::2]
        for line in (DEPLOY / "mosquitto" / "mosquitto.conf").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert (told["allow_anonymous"], told["persistence"]) == ("false", "true")
    assert (told["max_inflight_messages"], told["max_queued_messages"]) == ("0", "200000")
    assert int(told["max_packet_size"]) >= 16 * 1024 * 1024


# --- the inventory ---------------------------------------------------------------------------------------------------

SITE = INVENTORY.format(broker="mqtt://mosquitto:1883", homeassistant="no")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("channel = 15", "channel = 27", "[south] channel"),
        ("pan_id = 0x1a02", "pan_id = 0x1A01", "the pan_id 0x1a01"),
        ("pan_id = 0x1a02", "pan_id = 0xffff", "[south] pan_id"),
        ("base_topic = zigbee2mqtt_area2", "base_topic = zigbee2mqtt/area2", "stands below zigbee2mqtt"),
        ("base_topic = zigbee2mqtt_area2", "base_topic = campsite/x", "stands below campsite"),
        ("base_topic = zigbee2mqtt_area2", "base_topic = a/#", "[south] base_topic"),
        ("base_topic = zigbee2mqtt_area2", "base_topic = a\n  topic read x", "[south] base_topic"),
        ("[south]", "[Syd æ]", "slug"),
        ("adapter = zstack", "", "[north] lacks adapter"),
        ("homeassistant = no", "homeassistent = no", "which nobody reads"),
        ("mqtt://mosquitto:1883", "mqtt://me:word@mosquitto", "[site] broker"),
        ("name = Syd", "name = Syd\npassword = x", "[south] has password"),
        (SITE, "[site]", "There is no area"),
        (SITE, "nonsense", "cannot be read"),
    ],
)
def test_an_inventory_with_a_slip_is_refused_with_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, told: str
) -> None:
    path = tmp_path / "areas.ini"
    path.write_text(SITE.replace(old, new, 1))
    assert areas.main(["--inventory", str(path), "--secrets", str(tmp_path / "s"), "--mosquitto", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "acl").exists()


def test_the_example_is_an_inventory_of_six_areas() -> None:
    assert len(areas.read(DEPLOY / "areas.example.ini").areas) == 6


def test_the_script_is_understood_by_a_nass_old_python() -> None:
    ast.parse((DEPLOY / "areas.py").read_text(), feature_version=(3, 8))


def test_what_is_made_is_for_its_owner_alone_and_holds_no_password_in_the_clear(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = CampsiteBroker(tmp_path)
    made = [path for folder in (broker.secrets, broker.config) for path in folder.rglob("*") if path.is_file()]
    assert [path for path in made if path.suffix != ".crt" and path.stat().st_mode & 0o077] == []
    passwords = [path.read_text() for path in broker.secrets.glob("mqtt_[!c]*")] + [broker.password("campsite")]
    assert len(set(passwords)) == 4
    told = (broker.config / "passwords").read_text() + (broker.config / "acl").read_text() + capsys.readouterr().out
    assert not any(password in told for password in passwords)
