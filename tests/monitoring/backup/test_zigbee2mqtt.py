"""Each area's Zigbee2MQTT is asked for its backup; what it answers is kept where a network could be had from it."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from meters import requests
from meters.ingest import Ingest
from meters.models import Area, AreaState, BridgeRequest, Listing
from meters.simulation.instance import Instance
from meters.zigbee2mqtt import Rejected, Response
from monitoring.backup import contents, history, zigbee2mqtt
from monitoring.backup.contents import Unusable
from monitoring.backup.manifest import Kind, Missing, Piece
from monitoring.backup.zigbee2mqtt import NotBackedUp
from tests import make
from tests.meters.messages import message
from tests.meters.test_simulation import run, started
from tests.monitoring.backup import zips

pytestmark = pytest.mark.django_db


@pytest.fixture
def area() -> Area:
    make.worker()
    return make.area("Area 2", slug="area2", in_service=True, reported={"coordinator": {"type": "EmberZNet"}})


def answered(area: Area, packed: bytes | str = "", error: str = "") -> Piece:
    """What becomes of an answer."""
    asked = requests.ask_backup(area)
    requests.claim(asked.pk, timezone.now())
    told = {"zip": packed if isinstance(packed, str) else base64.b64encode(packed).decode()}
    requests.answer(area.pk, Response("backup", asked.transaction, error, told), timezone.now())
    asked.refresh_from_db()
    return zigbee2mqtt.piece(area, asked, timezone.now())


def timed_out(area: Area, *, is_sent: bool) -> NotBackedUp:
    asked = requests.ask_backup(area)
    if is_sent:
        requests.claim(asked.pk, timezone.now())
    requests.close_overdue(timezone.now() + timedelta(minutes=5))
    asked.refresh_from_db()
    with pytest.raises(NotBackedUp) as found:
        zigbee2mqtt.piece(area, asked, timezone.now())
    return found.value


def listed(area: Area, devices: int) -> None:
    for number in range(1, devices + 1):
        device = make.meter(f"10{number}", area=area).device
        Listing.objects.create(area=area, device=device, friendly_name=f"10{number}", named_at=timezone.now())
    AreaState.objects.filter(area=area).update(inventory_at=timezone.now())


def test_a_good_backup_is_kept_as_it_came_and_told_of(area: Area) -> None:
    listed(area, 2)
    AreaState.objects.filter(area=area).update(version="2.14.1")
    packed = zips.packed(zips.files(2))
    found = answered(area, packed)
    assert (found.name, found.kind, found.content, found.warnings) == ("area2", Kind.ZIGBEE2MQTT, packed, ())
    files = found.facts.pop("files")
    assert sorted(files) == ["configuration.yaml", "coordinator_backup.json", "database.db", "state.json"]
    assert found.facts == {"area": "Area 2", "version": "2.14.1", "devices": 2, "listed": 2, "has_coordinator": True}
    json.dumps(found.facts)


def test_it_is_kept_all_the_same_where_the_counts_differ_and_both_are_told(area: Area) -> None:
    listed(area, 3)
    found = answered(area, zips.packed(zips.files(2)))
    assert found.warnings == ("2 devices are in the backup, 3 in the inventory.",)
    assert (found.facts["devices"], found.facts["listed"]) == (2, 3)


def test_where_no_inventory_was_ever_told_there_is_nothing_to_compare(area: Area) -> None:
    found = answered(area, zips.packed(zips.files(2)))
    assert (found.warnings, found.facts["listed"]) == ((), None)


@pytest.mark.parametrize(("kind", "warnings"), [("EmberZNet", 1), ("ConBee2/RaspBee2", 1), ("zigate", 0), (None, 0)])
def test_that_the_antennas_memory_is_missing_is_told_where_it_could_be_there(
    area: Area, kind: str | None, warnings: int
) -> None:
    AreaState.objects.filter(area=area).update(coordinator={"type": kind})
    files = zips.files(2)
    del files["coordinator_backup.json"]
    found = answered(area, zips.packed(files))
    assert len(found.warnings) == warnings
    assert found.facts["has_coordinator"] is False


def test_a_history_that_cannot_be_written_fails_no_backup(area: Area, settings: Any, tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    settings.BACKUP_HISTORY = str(tmp_path / "file")
    (warning,) = answered(area, zips.packed(zips.files(2))).warnings
    assert "history" in warning


@pytest.mark.parametrize("packed", [b"no zip", "", "A", zips.packed(zips.files())[:-9]], ids=itertools.count())
def test_an_answer_without_a_whole_zip_is_no_backup(area: Area, packed: bytes | str) -> None:
    with pytest.raises(Unusable, match="no zip that can be opened"):
        answered(area, packed)


def test_a_refusal_is_told_in_its_own_words_on_one_line(area: Area) -> None:
    with pytest.raises(NotBackedUp, match=r"that it cannot: EACCES: permission denied$"):
        answered(area, error="EACCES:\npermission  denied")


def test_an_answer_that_was_too_big_says_what_to_do(area: Area) -> None:
    asked = requests.ask_backup(area)
    requests.claim(asked.pk, timezone.now())
    requests.note_unreadable_backup(area.pk, Rejected("too_big", "9 bytes"), timezone.now())
    asked.refresh_from_db()
    with pytest.raises(NotBackedUp, match=r"bigger than the 8 MB .* set advanced\.log_directory"):
        zigbee2mqtt.piece(area, asked, timezone.now())


def test_no_answer_says_where_to_look(area: Area) -> None:
    found = timed_out(area, is_sent=True)
    assert found.code == "no_answer"
    assert "No answer within 120 s" in str(found)
    assert "message_size_limit" in str(found)


def test_who_loses_the_broker_as_he_answers_has_sent_too_much(area: Area) -> None:
    AreaState.objects.filter(area=area).update(bridge_since=timezone.now() + timedelta(seconds=9))
    found = timed_out(area, is_sent=True)
    assert found.code == "lost_connection"
    assert "max_packet_size" in str(found)


def test_what_was_never_sent_is_not_said_to_be_unanswered(area: Area) -> None:
    assert timed_out(area, is_sent=False).code == "not_sent"


# --- all areas -------------------------------------------------------------------------------------------------------


def test_without_a_worker_nobody_waits() -> None:
    make.area(slug="area2", in_service=True)
    (found,) = zigbee2mqtt.collect()
    assert found == Missing("area2", Kind.ZIGBEE2MQTT, str(zigbee2mqtt.WORDS["worker"]))
    assert not BridgeRequest.objects.exists()


def test_who_is_offline_is_not_asked_and_said_to_be(area: Area) -> None:
    AreaState.objects.filter(area=area).update(bridge="offline", confirmed_at=timezone.now())
    (found,) = zigbee2mqtt.collect()
    assert found == Missing("area2", Kind.ZIGBEE2MQTT, "Its Zigbee2MQTT is offline and was not asked.")
    assert not BridgeRequest.objects.exists()


def test_areas_out_of_service_are_left_out() -> None:
    make.worker()
    make.area(in_service=False)
    assert list(zigbee2mqtt.collect()) == []


@contextmanager
def bridges(*instances: Instance) -> Iterator[None]:
    """Simulated Zigbee2MQTTs that hear and are heard, as by a worker."""
    done, ingest = threading.Event(), Ingest()
    hear(ingest, *instances)

    def work() -> None:
        try:
            while not done.wait(0.02):
                for request_id, topic, payload in requests.waiting():
                    requests.claim(request_id, timezone.now())
                    for each in instances:
                        if topic.startswith(f"{each.base_topic}/"):
                            each.receive(topic, payload)
                hear(ingest, *instances)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def hear(ingest: Ingest, *instances: Instance) -> None:
    for each in instances:
        if told := run(each, 0):
            heard = [message(p.topic, p.payload.encode(), retained=p.retain) for p in told]
            ingest.process([each._replace(received_at=timezone.now()) for each in heard])


@pytest.mark.django_db(transaction=True)
def test_each_area_is_backed_up_or_told_of_on_its_own(settings: Any, tmp_path: Any, caplog: Any) -> None:
    settings.BACKUP_HISTORY = str(tmp_path / "history")
    make.worker()
    names = ("broken", "good", "refused")
    for name in names:
        make.area(name, slug=name, base_topic=f"z2m_{name}", in_service=True)
    instances = {name: started("101", "102", base=f"z2m_{name}", log_mqtt=True, log_level="info") for name in names}
    for name, instance in instances.items():
        instance.requests.back_up(name if name != "good" else "ok")
        instance.start()
    with bridges(*instances.values()):
        found = {each.name: each for each in zigbee2mqtt.collect(make.superuser())}
    broken, good, refused = (found[name] for name in names)
    assert isinstance(good, Piece)
    assert (good.facts["devices"], good.facts["listed"], good.warnings) == (2, 2, ())
    assert isinstance(broken, Missing)
    assert broken.why == str(contents.WORDS["no_zip"])
    assert isinstance(refused, Missing)
    assert "EACCES" in refused.why
    assert [change.title for change in history.changes(Area.objects.get(slug="good"), 9)] == ["good"]
    packed = base64.b64encode(good.content).decode()
    assert not BridgeRequest.objects.exclude(response=None).exists()
    assert packed[:200] not in caplog.text
