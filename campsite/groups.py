"""The groups of staff and what each may, declared here and brought into the tables after each migration.

Whoever works at the campsite is put into one or more of them in the admin; docs/roles.md says why each may what. Groups
that the site makes itself are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from auditlog.context import disable_auditlog
from django.apps import AppConfig, apps
from django.db.models import Q


def _each(words: str) -> frozenset[str]:
    """ "app.act_a act_b": the permissions of one app."""
    app, _dot, names = words.partition(".")
    return frozenset(f"{app}.{name}" for name in names.split())


ELECTRICITY = _each(
    "meters.view_area view_areastate view_device view_meter view_meterstate view_pitch view_installation view_reading"
    " view_hourlyusage view_dailyusage view_onlinespan view_snapshot view_quarantinedreading view_counterepoch"
    " view_command view_order view_want view_automaticstop view_workerstate"
)
"""What is on, what was used, what was switched and why: all who work here see it."""
SWITCHES = _each("meters.switch_meter add_automaticstop")
INCIDENTS = _each("monitoring.view_incident change_incident")
"""change_incident: look after it, snooze it."""
REPORTS = _each("bookings.view_problemreport change_problemreport")
"""change_problemreport: note that what a guest reported is solved."""
ACCOUNTS = _each(
    "bookings.view_booking view_stay view_staymeter view_correction view_room view_powerrule view_tariff"
    " view_packagepattern view_packagesale view_packagenotice view_charge view_webhookevent"
)
"""Bookings by their number, and their money: nobody is named without view_guest."""
RECEPTION = frozenset().union(
    *(ELECTRICITY, SWITCHES, INCIDENTS, REPORTS, ACCOUNTS),
    _each("bookings.view_guest view_portallink view_linkmail"),
    _each("bookings.change_stay change_room change_guest add_portallink add_packagesale add_charge add_correction"),
    _each("bookings.change_packagenotice change_webhookevent"),
)
"""change_webhookevent: replay it; change_packagenotice: note that the guest was told."""
TECHNICIAN = frozenset().union(
    *(SWITCHES, INCIDENTS, REPORTS),
    _each("meters.view_*"),
    _each("meters.add_area change_area change_meter add_pitch change_pitch delete_pitch"),
    _each("meters.add_installation change_installation add_bridgerequest resume_automatic"),
    _each("bookings.view_booking view_stay view_staymeter view_room view_powerrule"),
    _each("bookings.view_webhookevent view_webhooktoken"),
    _each("monitoring.view_*"),
    _each("monitoring.add_maintenancewindow change_maintenancewindow delete_maintenancewindow add_backuprun"),
    *(_each("auditlog.view_logentry"), _each("django_q.view_failure")),
)
"""No guest's name, no money: who does both is in both groups."""
AUDITOR = frozenset().union(
    *(ACCOUNTS, _each("bookings.view_webhooktoken")),
    *(_each("meters.view_*"), _each("monitoring.view_*")),
    *(_each("auditlog.view_logentry"), _each("auth.view_user view_group"), _each("django_q.view_failure")),
    _each("axes.view_accesslog view_accessfailurelog"),
)
"""Sees power, money, meters, bookings, configuration and the log, and changes nothing. Bookings by number: whose they
are stands in Sirvoy, where an auditor of the accounts asks reception.
"""
MANAGER = frozenset().union(
    *(RECEPTION, TECHNICIAN, AUDITOR),
    _each("bookings.add_tariff change_tariff delete_tariff"),
    _each("bookings.add_packagepattern change_packagepattern delete_packagepattern"),
    _each("bookings.change_powerrule add_webhooktoken change_webhooktoken add_webhookevent delete_guest"),
    _each("monitoring.add_alertroute change_alertroute delete_alertroute"),
    _each("auth.add_user change_user delete_user"),  # not groups: who could change them would give themselves anything
)
"""bookings.add_webhookevent: bring in a file of Sirvoy's; delete_guest: erase a guest on request."""
GROUPS = {"reception": RECEPTION, "technician": TECHNICIAN, "manager": MANAGER, "auditor": AUDITOR}
"""Permissions as app.codename; a codename that ends with * stands for all that begin so."""


class Wrong(NamedTuple):
    """What a group lacks and holds beyond what is declared, as app.codename."""

    group: str
    missing: list[str]
    beyond: list[str]


def sync(sender: AppConfig | None = None, apps: Any = apps, **_: Any) -> None:
    """Make each group hold exactly its permissions; those that do not exist (yet) are left out. Idempotent."""
    try:
        list(put_right(apps))
    except LookupError:  # the tables were just migrated away
        return


def put_right(apps: Any = apps) -> Iterator[Wrong]:
    """The same, told group by group. What the site's code declares is no act of anybody's: the audit log has the act
    that it undoes.
    """
    group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    for name, declared in GROUPS.items():
        held, is_new = group.objects.get_or_create(name=name)
        found = wrong(name, apps)
        if is_new or found:
            with disable_auditlog():
                held.permissions.set(permission.objects.filter(_named(declared)))
            yield found or Wrong(name, [], [])


def wrong(name: str, apps: Any = apps) -> Wrong | None:
    """What is not as declared of this group; None where nothing is."""
    permission = apps.get_model("auth", "Permission").objects
    due, held = _words(permission.filter(_named(GROUPS[name]))), _words(permission.filter(group__name=name))
    return Wrong(name, sorted(due - held), sorted(held - due)) if due != held else None


def _words(permissions: Any) -> set[str]:
    return {".".join(told) for told in permissions.values_list("content_type__app_label", "codename")}


def _named(declared: frozenset[str]) -> Q:
    named = Q(pk=None)
    for word in declared:
        app, codename = word.split(".")
        lookup = {"codename__startswith": codename[:-1]} if codename.endswith("*") else {"codename": codename}
        named |= Q(content_type__app_label=app, **lookup)
    return named
