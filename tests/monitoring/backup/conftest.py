"""Keys, targets and folders for a backup of a test's own."""

from pathlib import Path

import pytest
from django.utils import translation

from monitoring.backup import sealing


@pytest.fixture(autouse=True)
def in_english():
    """What goes wrong is told in the site's language."""
    with translation.override("en"):
        yield


@pytest.fixture(autouse=True)
def backups(settings, tmp_path: Path) -> Path:
    """The folder of the only target, `nas`; keys that fit each other; no folders."""
    settings.BACKUP_IDENTITY, recipient = sealing.new_key()
    settings.BACKUP_RECIPIENTS = [recipient]
    target = tmp_path / "nas"
    target.mkdir()
    settings.BACKUP_TARGETS = {"nas": f"file://{target}"}
    settings.BACKUP_WORK = str(tmp_path / "work")
    settings.BACKUP_FOLDERS = {}
    settings.BACKUP_HISTORY = ""
    return target
