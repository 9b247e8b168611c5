"""Labels for meters: a QR code that leads to the meter's page, its name, its area, the end of its address. Reads only.

The page asks for a log-in, as everywhere: a label tells a stranger no more than what stands on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from meters import qr
from meters.models import Device

SIZES: dict[str, Promise] = {
    "a4-24": _("A4 sheet, 24 labels of 70 × 37 mm"),
    "a4-21": _("A4 sheet, 21 labels of 63.5 × 38.1 mm"),
    "62x29": _("Label printer, 62 × 29 mm"),
    "54x25": _("Label printer, 54 × 25 mm"),
}
"""Each a class of static/css/labels.css, which knows the measures."""
MOST = 400
SHOWN_DIGITS = 6


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    area: str
    digits: str
    code: SafeString


def of(devices: Iterable[Device], request: HttpRequest) -> Sequence[Label]:
    """In the order in which one walks: F2 before F10."""
    return [_label(device, request) for device in sorted(devices, key=_place)]


def _place(device: Device) -> list[tuple[int, str]]:
    parts = re.findall(r"\d+|\D+", device.friendly_name.casefold())
    return [(int(part), "") if part.isdecimal() and len(part) < 10 else (0, part) for part in parts]


def _label(device: Device, request: HttpRequest) -> Label:
    path = reverse("meter", args=[device.ieee_address])
    address = settings.SITE_URL + path if settings.SITE_URL else request.build_absolute_uri(path)
    area = device.area.name if device.area else ""
    return Label(str(device), area, device.ieee_address[-SHOWN_DIGITS:], qr.svg(address))
