"""What is in a backup, in words: for pages and for commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from monitoring.backup.manifest import Kind

KINDS: dict[str, str | Promise] = {
    Kind.DATABASE: _("Database"),
    Kind.ZIGBEE2MQTT: _("Zigbee2MQTT"),
    Kind.FOLDER: _("Folder"),
}
LEDGER: dict[str, str | Promise] = {
    "meters_wh": _("Energy of all meters, Wh"),
    "hours_wh": _("Use by the hour, Wh"),
    "lines": _("Lines of guests' use"),
    "lines_wh": _("Guests' use, Wh"),
    "corrections_wh": _("Corrections, Wh"),
    "charges_wh": _("Charges, Wh"),
    "charges_cents": _("Charges, hundredths of the currency"),
    "packages_wh": _("Packages sold, Wh"),
    "packages_cents": _("Packages sold, hundredths of the currency"),
}


def part(kind: str, name: str) -> str:
    """There is one database alone, which needs no name."""
    return str(KINDS[kind]) if kind == Kind.DATABASE else f"{KINDS[kind]} {name}"


def ordered(ledger: Mapping[str, Sequence[int]]) -> list[tuple[str, int, int]]:
    """Each total by its name, as it was told and as it was found, in our order: the database keeps none."""
    names = sorted(ledger, key=lambda name: list(LEDGER).index(name) if name in LEDGER else len(LEDGER))
    return [(str(LEDGER.get(name, name)), *_both(ledger[name])) for name in names]


def ledger_lines(ledger: Mapping[str, Sequence[int]]) -> Iterator[str]:
    """As a command tells it: what was found, and what should have been where that is something else."""
    for what, told, found in ordered(ledger):
        line = f"  {what}: {figure(found)}"
        yield line if told == found else line + gettext(", but %s in the manifest") % figure(told)


def figure(value: int) -> str:
    return formats.number_format(value, 0, force_grouping=True)


def _both(pair: Sequence[int]) -> tuple[int, int]:
    told, found = pair
    return told, found
