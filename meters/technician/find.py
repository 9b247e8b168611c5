"""Which meter is meant: by what was scanned from its label, by its name, its pitch, or the end of its address."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db.models import Q

from meters.models import Device

MOST = 20
ADDRESS = re.compile(r"0x[0-9a-f]{16}")
ENDING = re.compile(r"(?:0x)?([0-9a-f]{4,16})", re.IGNORECASE)


def find(text: str) -> Sequence[Device]:
    """The devices that this may mean, present ones first; one where a label was scanned or a whole name typed."""
    wanted = text.strip()[:500]
    if whole := ADDRESS.search(wanted.lower()):
        return _listed(Q(ieee_address=whole[0]))
    if not wanted or "\0" in wanted:
        return []
    named = Q(friendly_name__iexact=wanted)
    exact = _listed(named | _hangs_on(wanted))
    by_name = [device for device in exact if device.friendly_name.casefold() == wanted.casefold()]
    if by_name or exact:
        return by_name if len(by_name) == 1 else exact
    ending = ENDING.fullmatch(wanted)
    by_address = _listed(Q(ieee_address__endswith=ending[1].lower())) if ending else []
    return by_address or _listed(Q(friendly_name__icontains=wanted))


def _hangs_on(number: str) -> Q:
    return Q(meter__installations__pitch__number__iexact=number, meter__installations__period__upper_inf=True)


def _listed(meant: Q) -> Sequence[Device]:
    found = Device.objects.filter(meant).select_related("area", "meter").distinct()
    return sorted(found.order_by("friendly_name", "pk")[:MOST], key=lambda device: device.removed_at is not None)
