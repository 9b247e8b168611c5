"""python -m monitoring.backup.forward NAME: brings a drill's scratch database to the migrations of this code.

In a process whose only database that is: what a migration, or whoever listens to it, writes, goes nowhere else.
"""

from __future__ import annotations

import subprocess
import sys

import django
from django.conf import settings

from monitoring.backup import BackupError

LONGEST_S = 3600


class ForwardError(BackupError):
    """What the migrations said last."""


def migrate(name: str) -> None:
    """Raises ForwardError."""
    words = [sys.executable, "-m", __name__, name]
    try:
        done = subprocess.run(
            words, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        raise ForwardError(f"It took longer than {LONGEST_S} s.") from None
    if done.returncode:
        raise ForwardError((done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1][:300])


def _main(name: str) -> None:
    django.setup()

    # Here, not above: what they import needs the settings.
    from django.core.management import call_command
    from django.db import connection

    from monitoring.backup import scratch

    if not scratch.bears_our_mark(name) or name == connection.settings_dict["NAME"]:
        raise SystemExit("This is no scratch database of a drill.")
    connection.settings_dict["NAME"] = name
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    call_command("migrate", verbosity=0, interactive=False)


if __name__ == "__main__":
    _main(sys.argv[1])
