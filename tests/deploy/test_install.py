"""deploy/install: what it makes, what it never makes anew, what it finds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from monitoring.backup import sealing
from tests.deploy.installation import Installation


@pytest.fixture(scope="module")
def installed() -> Iterator[Installation]:
    with Installation() as made:
        done = made.install()
        assert done.returncode == 0, done.stdout + done.stderr
        yield made


def test_what_it_makes_belongs_to_one_user_alone(installed: Installation) -> None:
    secrets = list((installed.deploy / "secrets").iterdir())
    assert len(secrets) > 15
    for path in [installed.deploy / ".env", *secrets, installed.deploy / "mosquitto/passwords"]:
        told = path.stat()
        assert (told.st_mode & 0o777, told.st_uid) == (0o600, installed.state.account.uid), path


def test_no_secret_stands_in_the_env_file(installed: Installation) -> None:
    text = (installed.deploy / ".env").read_text()
    assert not [name for name, secret in installed.secrets().items() if secret.strip() and secret.strip() in text]


def test_the_workers_name_at_the_broker_cannot_be_guessed(installed: Installation) -> None:
    """Whoever may come to the broker and knows it could come in its place."""
    name = installed.services["mqtt_worker"].environment["MQTT_CLIENT_ID"]
    assert re.fullmatch("campsite-[0-9a-f]{14}", name)
    assert not [
        other for other, told in installed.services.items() if name in str(told.told) and other != "mqtt_worker"
    ]


def test_each_secret_is_long_and_its_own(installed: Installation) -> None:
    made = {name: told for name, told in installed.secrets().items() if "_url" not in name and "alert" not in name}
    assert len(set(made.values())) == len(made)
    assert all(len(told) > 40 for name, told in made.items() if name != "backup_targets")


def test_the_key_of_the_backups_is_told_once_and_opens_what_is_sealed_for_it(installed: Installation) -> None:
    identity = installed.secrets()["backup_identity"]
    assert sealing.recipient_of(identity) == installed.env["BACKUP_RECIPIENTS"]
    assert identity not in installed.install().stdout


def test_a_second_time_makes_nothing_anew(installed: Installation) -> None:
    before = installed.secrets(), installed.env, (installed.deploy / "mosquitto/tls/server.crt").read_bytes()
    assert installed.run("--owner", installed.answers["--owner"]).returncode == 0, "the answers of before are taken"
    assert (installed.secrets(), installed.env, (installed.deploy / "mosquitto/tls/server.crt").read_bytes()) == before


def test_another_answer_is_written_and_what_a_person_added_stays(installed: Installation) -> None:
    with (installed.deploy / ".env").open("a") as env:
        env.write("# ours\nLOG_LEVEL=DEBUG\n")
    assert installed.install(name="Søby Strand & Fjord").returncode == 0
    assert "# ours\nLOG_LEVEL=DEBUG\n" in (installed.deploy / ".env").read_text()
    assert installed.env["SITE_NAME"] == "Søby Strand & Fjord"
    assert installed.services["web"].environment["SITE_NAME"]


def test_that_backups_lie_on_the_disk_of_the_data_is_said(installed: Installation) -> None:
    found = installed.check()
    assert found.returncode == 0
    assert "a backup there burns with it" in found.stdout


@pytest.mark.parametrize(
    ("flag", "answer"),
    [
        ("host", "https://power.example.com"),
        ("host", "Power_1"),
        ("certificates", "me@nowhere"),
        ("backups", "usb"),
        ("backups", "http://nas/x"),
    ],
)
def test_an_answer_that_cannot_be_changes_nothing(installed: Installation, flag: str, answer: str) -> None:
    before = installed.env
    done = installed.install(**{flag: answer})
    assert done.returncode == 2
    assert f"--{flag} is {answer!r}" in done.stderr
    assert installed.env == before


def test_a_time_zone_that_is_none_is_refused(installed: Installation) -> None:
    assert installed.install(**{"time-zone": "Europe/Søby"}).returncode == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("chmod 644 secrets/secret_key", "secrets/secret_key can be read by others"),
        ("rm secrets/redis_url", "secrets/redis_url is missing"),
        (": > secrets/database_password", "secrets/database_password is empty"),
        ("echo x > secrets/mqtt_url", "secrets/mqtt_url has another password than secrets/mqtt_campsite"),
        ("sed -i s/^SITE_HOST=.*/SITE_HOST=a_b/ .env", "SITE_HOST in .env wants to be"),
        ("sed -i /^BACKUP_RECIPIENTS/d .env", "no backup would be made"),
        ("rm -r data/postgres", "data/postgres is missing"),
        ("rm mosquitto/tls/server.crt", "mosquitto/tls/server.crt is missing"),
        ("sed -i s/^channel.*/channel=9/ areas.ini", "areas.ini has a mistake"),
        ("rm .env", "run deploy/install"),
    ],
)
def test_what_does_not_fit_is_found(change: str, said: str, installed: Installation) -> None:
    with Kept(installed):
        assert os.system(f"cd '{installed.deploy}' && {change}") == 0
        found = installed.check()
        assert found.returncode == 1, found.stdout
        assert any(line.startswith("WRONG") and said in line for line in found.stdout.splitlines()), found.stdout


class Kept:
    """The folder as it was, afterwards."""

    def __init__(self, installed: Installation) -> None:
        self._deploy, self._copy = installed.deploy, installed.root / "copy"

    def __enter__(self) -> None:
        assert os.system(f"cp -a '{self._deploy}' '{self._copy}'") == 0

    def __exit__(self, *_: object) -> None:
        assert os.system(f"rm -r '{self._deploy}' && mv '{self._copy}' '{self._deploy}'") == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is asked whose it shall be")
def test_root_makes_nothing_for_himself(installed: Installation) -> None:
    done = installed.install(owner="0:0")
    assert done.returncode == 2
    assert "ordinary user" in done.stderr
