"""The commands as a person types them."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from monitoring.backup import database, words
from monitoring.management.commands.backup import Command
from monitoring.models import BackupRun

pytestmark = pytest.mark.django_db(transaction=True)


def said(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out, stderr=out)
    return out.getvalue()


def test_backup_says_what_it_does_and_what_became_of_it(backups: Path):
    text = said("backup")
    assert text.index("the database") < text.index("copying to nas") < text.index("done: ")
    assert BackupRun.objects.get().origin == "command"


def test_backup_fails_where_a_copy_failed_and_says_why(backups: Path, tmp_path: Path, settings):
    settings.BACKUP_TARGETS |= {"usb": f"file://{tmp_path}/gone"}
    out = StringIO()
    with pytest.raises(CommandError, match="incomplete"):
        call_command("backup", stdout=out)
    assert "There is no folder" in out.getvalue()
    settings.BACKUP_TARGETS = {}
    with pytest.raises(CommandError, match="BACKUP_TARGETS"):
        call_command("backup")


def test_backup_tells_what_is_odd_in_what_was_kept(backups: Path):
    call_command("backup", stdout=StringIO())
    run, out = BackupRun.objects.get(), StringIO()
    run.manifest["parts"][0]["warnings"] = ["3 devices are in the backup, 4 in the inventory."]
    Command(stdout=out)._tell(run)
    assert "- database: 3 devices are in the backup, 4 in the inventory." in out.getvalue()


def test_backups_lists_what_lies_there_and_calls_nothing_half_a_backup(backups: Path, tmp_path: Path, settings):
    settings.BACKUP_FOLDERS = {"mosquitto": str(tmp_path / "gone")}
    with pytest.raises(CommandError):
        said("backup")
    whole = next(backups.iterdir()).name
    (backups / "20260101T010101Z").mkdir()
    (backups / "photos").mkdir()
    lines = said("backups", "nas").splitlines()
    assert [line.split()[0] for line in lines] == ["nas", whole, "20260101T010101Z"]
    assert lines[1].endswith("without mosquitto")
    assert lines[2].endswith("no backup: it was never finished: it has no manifest")


def test_backups_says_of_a_target_where_nothing_lies_that_nothing_does(backups: Path):
    assert said("backups").splitlines()[1:] == ["  no backup yet"]


def test_totals_are_told_in_words_with_what_should_have_been_where_it_is_not():
    assert list(words.LEDGER) == list(database.LEDGER)
    lines = list(words.ledger_lines({"charges_cents": [5, 5], "meters_wh": [1250, 1249]}))
    assert lines == [
        "  Energy of all meters, Wh: 1,249, but 1,250 in the manifest",
        "  Charges, hundredths of the currency: 5",
    ]


def test_restore_drill_tells_what_it_found_in_words(backups: Path):
    said("backup")
    text = said("restore_drill")
    assert "  Database: restored\n" in text
    assert "  Energy of all meters, Wh: 0\n" in text
    assert "on nas can be brought back: rows " in text


def test_backups_tells_the_others_when_one_target_is_away(backups: Path, tmp_path: Path, settings):
    said("backup")
    settings.BACKUP_TARGETS = {"usb": f"file://{tmp_path}/gone"} | settings.BACKUP_TARGETS
    out = StringIO()
    with pytest.raises(CommandError, match="usb"):
        call_command("backups", stdout=out, stderr=out)
    assert "There is no folder" in out.getvalue()
    assert next(backups.iterdir()).name in out.getvalue()
    with pytest.raises(CommandError, match="no target sky"):
        call_command("backups", "sky")
