"""What each Zigbee2MQTT's configuration was when: a commit for each change, with who asked for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from meters import requests
from meters.models import Area, BridgeRequest
from meters.zigbee2mqtt import Response
from monitoring.backup import contents, history
from tests import make
from tests.monitoring.backup import zips

pytestmark = pytest.mark.django_db

NIGHT = timedelta(days=1)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.BACKUP_HISTORY = str(tmp_path / "history")
    return tmp_path / "history"


@pytest.fixture
def area() -> Area:
    return make.area("Area 2", slug="area2")


@pytest.fixture
def now() -> datetime:
    return timezone.now().replace(microsecond=0)


def note(area: Area, at: datetime, devices: int = 2, **config: Any) -> list[str]:
    return history.note(area, contents.read(zips.packed(zips.files(devices, **config))), at)


def done(area: Area, request: str, payload: dict[str, Any], by: User | None = None) -> BridgeRequest:
    made = requests.ask(area, request, payload, by)
    requests.claim(made.pk, timezone.now())
    requests.answer(area.pk, Response(request, made.transaction, "", {}), timezone.now())
    return made


def git(folder: Path, *words: str) -> str:
    environment = {"PATH": os.defpath, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    command = ["git", "-C", str(folder), "-c", f"safe.directory={folder}", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def test_the_first_backup_begins_the_history(area: Area, now: datetime, folder: Path) -> None:
    assert note(area, now) == []
    (change,) = history.changes(area, 10)
    assert (change.title, change.text, change.at) == ("Area 2", "The first backup of this area.", now)
    assert [each.name for each in change.files] == ["code.yaml", "configuration.yaml", "devices.yaml", "groups.yaml"]
    assert folder.stat().st_mode & 0o077 == 0


def test_a_night_in_which_nothing_changed_adds_nothing(area: Area, now: datetime) -> None:
    for night in range(3):
        assert note(area, now + night * NIGHT) == []
    assert len(history.changes(area, 10)) == 1


def test_a_change_tells_who_had_asked_for_it(area: Area, now: datetime) -> None:
    note(area, now - NIGHT)
    chief = make.superuser()
    done(area, "device/rename", {"from": zips.ADDRESS.format(3), "to": "103"}, chief)
    done(area, "options", {"options": {"mqtt": {"password": "hunter2!"}}})
    done(area, "health_check", {}, chief)
    requests.ask(area, "device/remove", {"id": "never answered"}, chief)
    done(make.area(), "device/remove", {"id": "of another area"}, chief)
    note(area, now, devices=3)
    newest, _first = history.changes(area, 10)
    head, *asked = newest.text.splitlines()
    assert head.startswith("Asked of it from here since ")
    assert [line.split(" ", 2)[2] for line in asked] == [
        f'chief: device/rename {{"from": "{zips.ADDRESS.format(3)}", "to": "103"}}',
        'the software: options {"options": {"mqtt": {"password": "(not kept)"}}}',
    ]


def test_a_change_that_nobody_asked_for_from_here_says_so(area: Area, now: datetime) -> None:
    note(area, now - NIGHT)
    note(area, now, devices=3)
    assert history.changes(area, 1)[0].text == "Nothing was asked of it from here since then: somebody else changed it."


def test_a_change_shows_what_went_and_what_came(area: Area, now: datetime) -> None:
    note(area, now - NIGHT, advanced={"channel": 15})
    note(area, now, advanced={"channel": 20})
    (file,) = history.changes(area, 1)[0].files
    assert file.name == "configuration.yaml"
    assert [line for line in file.lines if line[0] in "+-"] == ["-  channel: 15", "+  channel: 20"]


def test_each_area_has_its_own_history(area: Area, now: datetime) -> None:
    other = make.area("Area 3", slug="area3")
    note(area, now - NIGHT)
    note(other, now - NIGHT, devices=1)
    note(area, now, devices=3)
    assert [len(history.changes(each, 10)) for each in (area, other)] == [2, 1]


def test_older_changes_follow_on_the_newer_ones(area: Area, now: datetime) -> None:
    for night in range(5):
        note(area, now + night * NIGHT, devices=night)
    first, second = history.changes(area, 2)
    rest = history.changes(area, 10, after=second.id)
    assert [change.at for change in (first, second, *rest)] == [now + night * NIGHT for night in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("after", ["0" * 40, "x", "../..", "refs/heads/main", "\0"])
def test_a_change_that_there_is_not_is_told(area: Area, now: datetime, after: str) -> None:
    note(area, now)
    with pytest.raises(history.HistoryError):
        history.changes(area, 10, after=after)


def test_git_reads_it_and_finds_nothing_wrong(area: Area, now: datetime, folder: Path) -> None:
    note(area, now - NIGHT, note="æøå")
    note(area, now, devices=3, note="æøå")
    assert git(folder, "log", "--format=%an|%s").splitlines() == ["campsite software|Area 2"] * 2
    assert "+  '0xa4c138d630000003':" in git(folder, "log", "-p", "-1")
    assert "note: æøå" in git(folder, "show", "main:area2/configuration.yaml")
    assert git(folder, "fsck", "--strict") == ""


def test_no_secret_is_in_it_in_any_form(area: Area, now: datetime, folder: Path, settings: Any) -> None:
    settings.MQTT_URL = "mqtt://campsite:entre-nous@broker:1883"
    note(area, now, note=f"{zips.PASSWORD} entre-nous")
    told = git(folder, "log", "-p", "--all")
    assert "note: (not kept)" in told
    for secret in (zips.PASSWORD, bytes(zips.KEY).hex(), "entre-nous", "- 77"):
        assert secret not in told


def test_names_with_signs_of_their_own_stay_one_line(area: Area, now: datetime) -> None:
    note(area, now - NIGHT)
    Area.objects.filter(pk=area.pk).update(name="A\n\ntree 0000\x1b[31m\u202e")
    done(area, "device/rename", {"from": "x", "to": "a\nb\u202e\x1b" + "y" * 1000})
    note(Area.objects.get(pk=area.pk), now, devices=3)
    change = history.changes(area, 1)[0]
    assert change.title == "A  tree 0000 [31m "
    assert len(change.text.splitlines()) == 2
    assert not {"\x1b", "\u202e"} & set(change.text)


def test_many_requests_are_cut(area: Area, now: datetime) -> None:
    note(area, now - NIGHT)
    for number in range(history.MOST_ASKED + 3):
        done(area, "device/configure", {"id": str(number)})
    note(area, now, devices=3)
    assert history.changes(area, 1)[0].text.splitlines()[-1] == "… and 3 more"


def test_a_long_change_is_cut_where_it_is_shown(area: Area, now: datetime) -> None:
    note(area, now - NIGHT, devices=0)
    note(area, now, devices=200)
    devices = next(file for file in history.changes(area, 1)[0].files if file.name == "devices.yaml")
    assert len(devices.lines) == history.MOST_LINES
    assert devices.left_out > 100


def test_a_configuration_that_is_too_big_is_told_and_not_kept(area: Area, now: datetime) -> None:
    note(area, now - NIGHT)
    assert note(area, now, note="x" * 1_100_000) == ["The configuration is too big for the history."]
    assert len(history.changes(area, 10)) == 1


def test_without_a_folder_there_is_no_history_and_nothing_is_wrong(area: Area, now: datetime, settings: Any) -> None:
    settings.BACKUP_HISTORY = ""
    assert note(area, now) == []


def test_a_folder_that_is_something_else_is_left_alone(area: Area, now: datetime, folder: Path) -> None:
    folder.mkdir()
    (folder / "photo.jpg").touch()
    (told,) = note(area, now)
    assert str(folder) in told
    assert [each.name for each in folder.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("gone", ["objects", "refs", "HEAD"])
def test_a_damaged_history_fails_no_backup(area: Area, now: datetime, folder: Path, gone: str) -> None:
    note(area, now)
    place = folder / gone
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    assert len(note(area, now + NIGHT, devices=3)) == (gone != "HEAD")


def test_a_lost_object_is_told(area: Area, now: datetime, folder: Path) -> None:
    note(area, now)
    for each in (folder / "objects").glob("??/*"):
        each.unlink()
    (told,) = note(area, now + NIGHT, devices=3)
    assert "cannot be used" in told


def test_what_somebody_left_who_was_killed_is_taken_away(area: Area, now: datetime, folder: Path) -> None:
    note(area, now)
    lock = folder / "refs" / "heads" / "main.lock"
    lock.touch()
    assert len(note(area, now + NIGHT, devices=3)) == 1
    os.utime(lock, (0, 0))
    assert note(area, now + NIGHT, devices=3) == []
    assert len(history.changes(area, 10)) == 2
