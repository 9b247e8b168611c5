"""Local forms in the portal's templates: `{% load portal %}`."""

from datetime import datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bookings.portal import local
from meters import ages

register = template.Library()
register.filter("number", local.number)
register.filter("amount", local.amount)
register.filter("power", local.power)
register.filter("day", local.day)
register.filter("moment", local.moment)
register.filter("clock", local.clock)
register.filter("ms", local.ms)
register.filter("kwh", local.kwh)
register.filter("fuse", local.fuse)


@register.filter
def ago(at: datetime, now: datetime) -> SafeString:
    """How long ago, in words that a script can keep true."""
    return _time(at, now, "")


@register.filter
def heard_ago(at: datetime, now: datetime) -> SafeString:
    """The same, of when an outlet was heard."""
    return _time(at, now, "heard")


@register.filter
def relay_ago(at: datetime, now: datetime) -> SafeString:
    """The same, of when an outlet told its relay."""
    return _time(at, now, "relay")


def _time(at: datetime, now: datetime, what: str) -> SafeString:
    told = (at.isoformat(timespec="seconds"), local.ms(at), what, ages.ago(at, now))
    return format_html('<time datetime="{}" data-at="{}" data-of="{}">{}</time>', *told)


@register.filter
def days(count: float) -> str:
    """So many days in words; less than two in hours."""
    return local.span(timedelta(days=count))
