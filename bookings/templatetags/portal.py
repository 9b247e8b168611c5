"""Local forms in the portal's templates: `{% load portal %}`."""

from datetime import timedelta

from django import template

from bookings.portal import local

register = template.Library()
register.filter("number", local.number)
register.filter("amount", local.amount)
register.filter("power", local.power)
register.filter("day", local.day)
register.filter("moment", local.moment)
register.filter("clock", local.clock)
register.filter("age", local.age)


@register.filter
def days(count: float) -> str:
    """So many days in words; less than two in hours."""
    return local.span(timedelta(days=count))
