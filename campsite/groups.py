"""The groups of staff and what each may, declared here and brought into the tables after each migration.

Whoever works at the campsite is put into one of them in the admin. Groups that the site makes itself are left alone.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.db.models import Q

RECEPTION = frozenset(
    {
        *("meters.view_*", "meters.switch_meter", "meters.add_automaticstop"),
        *("bookings.view_*", "monitoring.view_incident", "monitoring.change_incident"),
        *("bookings.change_stay", "bookings.change_room", "bookings.change_guest", "bookings.add_portallink"),
        *("bookings.add_packagesale", "bookings.add_charge", "bookings.add_correction"),
        *("bookings.change_packagenotice", "bookings.change_webhookevent", "bookings.change_problemreport"),
    }
)
"""bookings.change_webhookevent: replay it; change_packagenotice: note that the guest was told;
change_problemreport: note that what he reported is solved; change_incident: look after it, snooze it."""
TECHNICIAN = RECEPTION | {
    *("meters.add_area", "meters.change_area", "meters.change_meter"),
    *("meters.add_pitch", "meters.change_pitch", "meters.delete_pitch"),
    *("meters.add_installation", "meters.change_installation"),
    *("meters.add_bridgerequest", "meters.resume_automatic", "monitoring.view_*"),
    *("monitoring.add_maintenancewindow", "monitoring.change_maintenancewindow"),
    *("monitoring.delete_maintenancewindow", "monitoring.add_backuprun"),
    *("auditlog.view_logentry", "django_q.view_failure"),
}
MANAGER = TECHNICIAN | {
    *("bookings.add_tariff", "bookings.change_tariff", "bookings.delete_tariff"),
    *("bookings.add_packagepattern", "bookings.change_packagepattern", "bookings.delete_packagepattern"),
    *("bookings.change_powerrule", "bookings.add_webhooktoken", "bookings.change_webhooktoken"),
    *("bookings.add_webhookevent", "bookings.delete_guest"),
    *("monitoring.add_alertroute", "monitoring.change_alertroute", "monitoring.delete_alertroute"),
    "auth.view_group",  # not to change: who could would give themselves anything
    *("axes.view_accesslog", "axes.view_accessfailurelog"),
    *("auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user"),
}
"""bookings.add_webhookevent: bring in a file of Sirvoy's; delete_guest: erase a guest on request."""
GROUPS = {"reception": RECEPTION, "technician": TECHNICIAN, "manager": MANAGER}
"""Permissions as app.codename; a codename that ends with * stands for all that begin so."""


def sync(sender: AppConfig | None = None, apps: Any = apps, **_: Any) -> None:
    """Make each group hold exactly its permissions; those that do not exist (yet) are left out. Idempotent."""
    try:
        group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:  # the tables were just migrated away
        return
    for name, declared in GROUPS.items():
        held, _made = group.objects.get_or_create(name=name)
        held.permissions.set(permission.objects.filter(_named(declared)))


def _named(declared: frozenset[str]) -> Q:
    named = Q(pk=None)
    for word in declared:
        app, codename = word.split(".")
        lookup = {"codename__startswith": codename[:-1]} if codename.endswith("*") else {"codename": codename}
        named |= Q(content_type__app_label=app, **lookup)
    return named
