"""Ask an area's Zigbee2MQTT for the cure of one deviation, one at a time."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from meters import requests
from meters.models import Area, BridgeRequest
from meters.people import Person
from monitoring import audit


class NotAsked(Exception):
    """`str()` is for people."""

    message = _("This does not deviate any more: nothing was asked.")
    code = "no_deviation"

    def __str__(self) -> str:
        return str(self.message)


class StillAsked(NotAsked):
    """`waiting`: the request whose answer is awaited."""

    message = _("One after the other: the answer to the last request is still awaited.")
    code = "still_asked"

    def __init__(self, waiting: BridgeRequest) -> None:
        super().__init__()
        self.waiting = waiting


def apply(area: Area, rule: str, about: str, by: Person, now: datetime) -> BridgeRequest:
    """What deviates by this rule (`about` which device) is looked up as it is now. Raises NotAsked, StillAsked."""
    with transaction.atomic():
        Area.objects.select_for_update(no_key=True).get(pk=area.pk)  # of two clicks the second one sees the first
        if waiting := area.requests.filter(status__in=requests.OPEN).first():
            raise StillAsked(waiting)
        found = audit.deviation(area.slug, rule, about, now)
        if found is None or found.cure is None:
            raise NotAsked
        return requests.ask(area, found.cure.request, found.cure.payload, by)
