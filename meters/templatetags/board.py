"""Units for people: the tables hold Wh, mA and tenths of a volt."""

from datetime import datetime, timedelta

from django import template
from django.utils import formats
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def kilo(value: int | None, digits: int) -> str:
    """Wh as kWh, mA as A; empty where nothing was told."""
    return "" if value is None else formats.number_format(value / 1000, digits)


@register.filter
def tenth(value: int | None) -> str:
    """Tenths of a volt as whole volts; empty where nothing was told."""
    return "" if value is None else formats.number_format(value / 10, 0)


@register.filter
def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in words."""
    if now - moment < timedelta(minutes=1):
        return _("just now")
    return _("%(age)s ago") % {"age": timesince(moment, now)}
