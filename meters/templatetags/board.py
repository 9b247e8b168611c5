"""Ages and units for people: the tables hold Wh, mA and tenths of a volt."""

from django import template
from django.utils import formats

from meters import ages

register = template.Library()
register.filter("ago", ages.ago)


@register.filter
def kilo(value: int | None, digits: int) -> str:
    """Wh as kWh, mA as A; empty where nothing was told."""
    return "" if value is None else formats.number_format(value / 1000, digits)


@register.filter
def tenth(value: int | None) -> str:
    """Tenths of a volt as whole volts; empty where nothing was told."""
    return "" if value is None else formats.number_format(value / 10, 0)
