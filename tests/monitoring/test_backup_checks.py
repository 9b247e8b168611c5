"""What is told of backups: that there are none, are old, did not arrive, lack something, or were never tried."""

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from monitoring.backup import sealing
from monitoring.checks import backup
from monitoring.findings import Finding
from monitoring.models import BackupCopy, BackupRun, RestoreDrill

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def two_targets(settings) -> None:
    settings.BACKUP_TARGETS = {"nas": "file:///mnt/nas", "cloud": "s3://k:s@h/b"}
    settings.BACKUP_RECIPIENTS = [sealing.new_key()[1]]


def run(ago: timedelta, error: str = "", missing: tuple[str, ...] = (), **copies: str) -> BackupRun:
    """`copies`: by target "" for one that is done, else what went wrong."""
    at = timezone.now() - ago
    statuses = [BackupCopy.Status.FAILED if wrong else BackupCopy.Status.DONE for wrong in copies.values()]
    status = "done" if not error and "failed" not in statuses and not missing else "incomplete"
    told = {"missing": [{"name": name, "kind": "zigbee2mqtt", "why": "It is away."} for name in missing]}
    made = BackupRun.objects.create(
        started_at=at, finished_at=at, heartbeat=at, status=status, error=error, manifest=told
    )
    for (target, wrong), of_it in zip(copies.items(), statuses, strict=True):
        BackupCopy.objects.create(run=made, target=target, status=of_it, error=wrong, finished_at=at)
    return made


def drill(ago: timedelta, status: str) -> None:
    at = timezone.now() - ago
    RestoreDrill.objects.create(started_at=at, finished_at=at, target="nas", status=status, error="It was changed.")


def told(found: object) -> list[tuple[str, str]]:
    return [(each.code, each.about) for each in found]  # type: ignore[attr-defined]


def all_of(now: datetime | None = None) -> list[Finding]:
    now = now or timezone.now()
    return [each for check in (backup.unset, backup.overdue, backup.failures, backup.drills) for each in check(now)]


def test_a_site_without_target_or_key_is_told_what_is_not_set(settings) -> None:
    settings.BACKUP_RECIPIENTS = []
    run(3 * DAY, nas="It is full.", cloud="")
    (found,) = all_of()
    assert (found.code, found.facts) == ("backup_unset", {"settings": "BACKUP_RECIPIENTS"})


def test_where_a_backup_came_to_each_target_last_night_nothing_is_told() -> None:
    run(25 * HOUR, nas="", cloud="")
    drill(34 * DAY, "done")
    assert all_of() == []


def test_a_site_that_was_just_set_up_has_a_night_to_make_its_first() -> None:
    assert all_of() == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET applied = applied - interval '30 days' WHERE app = 'monitoring'")
    (found,) = all_of()
    assert (found.code, found.about) == ("backup_overdue", "")
    assert found.facts["hours"] >= 30 * 24 - 1


def test_old_backups_on_all_targets_are_one_finding_and_on_one_its_own() -> None:
    run(50 * HOUR, nas="", cloud="")
    (found,) = backup.overdue(timezone.now())
    assert (found.about, found.facts) == ("", {"target": "nas, cloud", "hours": 50})
    run(2 * HOUR, nas="", cloud="It does not answer.")
    (found,) = backup.overdue(timezone.now())
    assert (found.about, found.facts) == ("cloud", {"target": "cloud", "hours": 50})


def test_a_target_that_never_got_any_is_told_after_a_day() -> None:
    run(30 * HOUR, nas="", cloud="It does not answer.")
    run(2 * HOUR, nas="", cloud="It does not answer.")
    assert told(backup.overdue(timezone.now())) == [("backup_overdue", "cloud")]
    BackupRun.objects.earliest("started_at").delete()
    assert told(backup.overdue(timezone.now())) == []


def test_a_copy_that_is_gone_from_its_target_is_none() -> None:
    made = run(2 * HOUR, nas="", cloud="")
    run(50 * HOUR, nas="", cloud="")
    made.copies.filter(target="nas").update(status="failed", pruned_at=timezone.now())
    assert told(backup.overdue(timezone.now())) == [("backup_overdue", "nas")]


def test_a_clock_that_was_once_ahead_hides_no_old_backups() -> None:
    run(-3650 * DAY, nas="", cloud="")
    after = run(-3650 * DAY, nas="", cloud="")  # made with the clock set right: a second later than the one before
    after.copies.update(finished_at=timezone.now() - 3 * DAY)
    (found,) = all_of()
    assert (found.code, found.facts) == ("backup_overdue", {"target": "nas, cloud", "hours": 72})


def test_a_copy_that_did_not_arrive_is_told_by_its_target_until_one_does() -> None:
    run(3 * HOUR, nas="It is full.", cloud="")
    (found,) = backup.failures(timezone.now())
    assert (found.code, found.about, found.facts["why"]) == ("backup_failed", "nas", "It is full.")
    run(2 * HOUR, nas="", cloud="")
    assert all_of() == []


def test_a_run_that_failed_as_a_whole_is_one_finding() -> None:
    run(3 * HOUR, error="There is no pg_dump.", nas="There is no pg_dump.", cloud="There is no pg_dump.")
    (found,) = backup.failures(timezone.now())
    assert (found.about, found.facts) == ("", {"target": "cloud, nas", "why": "There is no pg_dump."})


def test_one_that_is_under_way_hides_nothing_of_the_last() -> None:
    run(3 * HOUR, nas="It is full.", cloud="")
    BackupRun.objects.create(started_at=timezone.now(), heartbeat=timezone.now())
    assert told(backup.failures(timezone.now())) == [("backup_failed", "nas")]


def test_what_is_missing_is_named() -> None:
    run(3 * HOUR, missing=("north", "mosquitto"), nas="", cloud="")
    (found,) = all_of()
    assert (found.code, found.facts) == ("backup_incomplete", {"missing": "north, mosquitto", "count": 2})


def test_a_zigbee2mqtt_of_which_it_holds_other_devices_than_are_listed_is_named_with_both_numbers() -> None:
    made = run(3 * HOUR, missing=("mosquitto",), nas="", cloud="")
    counts = {"north": (14, 14), "lake": (12, 14), "hill": (9, None)}
    made.manifest["parts"] = [
        {"name": name, "facts": {"devices": devices, "listed": listed}} for name, (devices, listed) in counts.items()
    ]
    made.save()
    (found,) = all_of()
    assert (found.code, found.facts) == ("backup_incomplete", {"missing": "mosquitto, lake (12/14)", "count": 2})


def test_a_drill_is_due_once_there_has_been_a_backup_for_long() -> None:
    run(HOUR, nas="", cloud="")
    assert told(backup.drills(timezone.now())) == []
    run(36 * DAY, nas="", cloud="")
    (found,) = backup.drills(timezone.now())
    assert (found.code, found.facts) == ("drill_overdue", {"days": 36})
    drill(2 * DAY, "done")
    assert told(backup.drills(timezone.now())) == []


def test_a_drill_that_failed_is_told_until_one_succeeds() -> None:
    run(HOUR, nas="", cloud="")
    drill(3 * DAY, "failed")
    (found,) = backup.drills(timezone.now())
    assert (found.code, found.facts) == ("drill_failed", {"target": "nas", "why": "It was changed."})
    drill(2 * DAY, "done")
    assert told(backup.drills(timezone.now())) == []


def test_they_cost_few_queries(django_assert_max_num_queries) -> None:
    for day in range(5):
        run(day * DAY, nas="It is full.", cloud="It does not answer.")
    with django_assert_max_num_queries(8):
        assert len(all_of()) == 3
