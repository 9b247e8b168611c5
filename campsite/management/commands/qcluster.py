"""`manage.py qcluster`: django-q2's, whose processes go on sharing what the first of them has loaded.

They all fork from it. A page of memory is shared until somebody writes in it, and the collector of cyclic garbage
writes in every object that it looks at: its first full collection, half an hour after the start, made 35 MB each
process's own. At what is frozen it does not look.
"""

from __future__ import annotations

import gc
from typing import Any

from django.conf import settings
from django_q.management.commands import qcluster

from meters import outbound


class Command(qcluster.Command):  # type: ignore[misc]  # of a package without types
    def handle(self, *args: Any, **options: Any) -> None:
        for address in settings.ALERT_URLS.values():
            outbound.is_address(address)  # loads what Apprise knows, which each minute's look asks for
        gc.collect()
        gc.freeze()
        gc.collect()  # of nothing: what lives long is counted anew, a quarter of which it waits for
        super().handle(*args, **options)
