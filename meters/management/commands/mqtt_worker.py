"""`manage.py mqtt_worker`: takes in what the meters say, until SIGTERM."""

from __future__ import annotations

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from meters.worker import Worker


class Command(BaseCommand):
    help = "Store what the meters report over MQTT and tell the live boards. One is at work, others stand by."
    requires_system_checks: list[str] = []  # of pages and forms, which cost a third of its start; `check` does them

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            worker = Worker()
        except ValueError as error:
            raise CommandError(str(error)) from None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        sys.exit(worker.run())
