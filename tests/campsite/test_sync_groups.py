"""manage.py sync_groups: tells what of the groups is not as declared, and puts it right."""

from io import StringIO

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def told(*words: str) -> str:
    out = StringIO()
    call_command("sync_groups", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def meddled() -> None:
    """Reception may remove areas, and may not switch."""
    held = Group.objects.get(name="reception").permissions
    held.add(Permission.objects.get(codename="delete_area"))
    held.remove(Permission.objects.get(codename="switch_meter"))


SAID = "reception: lacked meters.switch_meter\nreception: held meters.delete_area, which is not declared\n"


def test_after_a_migration_there_is_nothing_to_put_right():
    assert told() == told("--check") == "Each group holds what is declared.\n"


def test_a_check_tells_what_is_wrong_and_changes_nothing(meddled, capsys):
    out = StringIO()
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            call_command("sync_groups", "--check", stdout=out)
        assert ended.value.code == 1
    assert out.getvalue() == SAID * 2


def test_what_was_meddled_with_is_put_right_once_and_said(meddled):
    entries = LogEntry.objects.count()
    assert told() == SAID
    assert told("--check") == "Each group holds what is declared.\n"
    assert LogEntry.objects.count() == entries


def test_a_group_that_was_removed_comes_back_with_all_it_may():
    Group.objects.get(name="auditor").delete()
    assert "auditor: lacked auditlog.view_logentry\n" in told()
    assert Group.objects.get(name="auditor").permissions.filter(codename="view_logentry").exists()
