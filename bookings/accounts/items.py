"""A booking's extras in Sirvoy, and which of them are packages of electricity. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from bookings import prices
from bookings.models import Booking, PackagePattern
from bookings.prices import ZERO

Patterns = Iterable[tuple[str, Decimal | None]]


def kwh_of(descriptions: Iterable[str]) -> dict[str, Decimal | None]:
    """The kWh of one extra of each of these descriptions; None where it is no package. A quantity multiplies it."""
    patterns = known_patterns()
    return {text: prices.package_kwh(text, patterns) for text in descriptions}


def extras(booking: Booking) -> list[tuple[str, Decimal | None]]:
    """What was bought in Sirvoy besides, as text, and its kWh; None where it is no package of electricity."""
    patterns, found = known_patterns(), []
    for item in booking.items:
        kwh, quantity = _item_kwh(item, patterns), _quantity(item)
        text = f"{quantity.normalize():f} × {item.get('description') or '?'}"
        found.append((text, None if kwh is None else kwh * quantity))
    return found


def in_sirvoy(booking: Booking, patterns: Patterns) -> tuple[Decimal, Decimal]:
    """kWh and price of the packages among a booking's extras."""
    energy, price = ZERO, ZERO
    for item in booking.items:
        kwh, quantity = _item_kwh(item, patterns), _quantity(item)
        if kwh is None:
            continue
        energy += kwh * quantity
        total = _decimal(item.get("total"))
        price += (_decimal(item.get("price")) or ZERO) * quantity if total is None else total
    return energy, prices.rounded(price)


def known_patterns() -> Patterns:
    """Asked of the database when an extra is first compared with them."""
    return PackagePattern.objects.values_list("pattern", "kwh")


# --- inside ----------------------------------------------------------------------------------------------------------


def _item_kwh(item: Mapping[str, Any], patterns: Patterns) -> Decimal | None:
    """Of one; None where it is no package. What was recognised when the event came stays so; a pattern that was added
    since recognises the rest.
    """
    kwh = _decimal(item.get("kwh"))
    return prices.package_kwh(str(item.get("description") or ""), patterns) if kwh is None else kwh


def _quantity(item: Mapping[str, Any]) -> Decimal:
    quantity = _decimal(item.get("quantity"))
    return Decimal(1) if quantity is None else quantity


def _decimal(value: Any) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
