"""The admin's menu: where each line leads, and what one must be allowed to see it. The theme asks at each page."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from bookings.admin import taken_along
from bookings.reception import pages as reception
from meters.technician import pages as technician
from monitoring import runbook
from monitoring.channels import page as channels

Text = str | Promise


class Line(NamedTuple):
    """`view`: the name of the address that it leads to."""

    title: Text
    icon: str
    view: str
    needs: tuple[str, ...] = ()


def _table(title: Text, icon: str, table: str) -> Line:
    """To a table's list, for those who may see it."""
    app, model = table.split("_")
    return Line(title, icon, f"admin:{table}_changelist", (f"{app}.view_{model}",))


MENU: list[tuple[Text, list[Line]]] = [
    (
        _("Every day"),
        [
            Line(_("Reception"), "concierge", "reception", reception.NEEDS),
            Line(_("Live board"), "dashboard", "board"),
            Line(_("Departures"), "logout", "admin:bookings_charge_departures", ("bookings.view_charge",)),
            _table(_("Reported problems"), "feedback", "bookings_problemreport"),
            _table(_("Incidents"), "emergency_home", "monitoring_incident"),
            _table(_("Stop everything automatic"), "front_hand", "meters_automaticstop"),
        ],
    ),
    (
        _("Bookings"),
        [
            _table(_("Bookings"), "event", "bookings_booking"),
            _table(_("Packages that run low"), "battery_alert", "bookings_packagenotice"),
            _table(_("Packages sold"), "battery_plus", "bookings_packagesale"),
            _table(_("Charges"), "receipt_long", "bookings_charge"),
            _table(_("Tariffs"), "sell", "bookings_tariff"),
        ],
    ),
    (
        _("Electricity"),
        [
            Line(_("Technician"), "construction", "technician", technician.NEEDS),
            _table(_("Meters"), "electric_meter", "meters_meter"),
            _table(_("Pitches"), "camping", "meters_pitch"),
            _table(_("Installations"), "link", "meters_installation"),
            _table(_("Areas"), "hub", "meters_area"),
            Line(_("Data to take along"), "download", "admin:bookings_charge_data", taken_along.NEEDS),
            Line(
                _("Use without a guest"), "person_off", "admin:bookings_powerrule_vacancy", ("bookings.view_powerrule",)
            ),
        ],
    ),
    (
        _("Switching"),
        [
            _table(_("Orders"), "touch_app", "meters_order"),
            _table(_("Commands"), "bolt", "meters_command"),
            _table(_("What is wanted"), "rule", "meters_want"),
            _table(_("Power rules"), "power", "bookings_powerrule"),
            Line(_("How switching works"), "help", "board-help"),
        ],
    ),
    (
        _("Staff"),
        [
            _table(_("Users"), "person", "auth_user"),
            _table(_("Groups"), "group", "auth_group"),
            _table(_("Audit log"), "history", "auditlog_logentry"),
            _table(_("Log-ins"), "login", "axes_accesslog"),
            _table(_("Wrong tries to log in"), "gpp_bad", "axes_accessfailurelog"),
            Line(_("My log-in"), "shield_person", "my-log-in"),
        ],
    ),
    (
        _("Sirvoy"),
        [
            _table(_("Rooms in Sirvoy"), "meeting_room", "bookings_room"),
            _table(_("Packages in Sirvoy"), "manage_search", "bookings_packagepattern"),
            _table(_("Events from Sirvoy"), "mail", "bookings_webhookevent"),
            _table(_("Webhook"), "webhook", "bookings_webhooktoken"),
        ],
    ),
    (
        _("Technique"),
        [
            Line(_("Configuration audit"), "fact_check", "areas_overview", ("meters.view_area",)),
            _table(_("Devices"), "router", "meters_device"),
            _table(_("Requests to Zigbee2MQTT"), "forum", "meters_bridgerequest"),
            _table(_("Quarantined values"), "report", "meters_quarantinedreading"),
            _table(_("Counter epochs"), "restart_alt", "meters_counterepoch"),
            _table(_("Rejected messages"), "block", "meters_rejectedmessage"),
            Line(_("Channel plan"), "cell_tower", "channel-plan", channels.NEEDS),
            _table(_("Found Zigbee2MQTTs"), "travel_explore", "meters_foundinstance"),
            _table(_("Worker"), "settings_heart", "meters_workerstate"),
            Line(_("Failed tasks"), "sms_failed", "admin:django_q_failure_changelist", ("django_q.view_failure",)),
            Line(
                _("Availability"), "monitoring", "admin:monitoring_incident_availability", ("monitoring.view_incident",)
            ),
            _table(_("What is kept"), "auto_delete", "monitoring_forgetting"),
            Line(_("Runbook"), "menu_book", "runbook", runbook.NEEDS),
            _table(_("Backups"), "backup", "monitoring_backuprun"),
            _table(_("Restore drills"), "settings_backup_restore", "monitoring_restoredrill"),
            _table(_("Maintenance windows"), "construction", "monitoring_maintenancewindow"),
            _table(_("Alert routes"), "notifications_active", "monitoring_alertroute"),
            _table(_("Alerts"), "outgoing_mail", "monitoring_alert"),
            _table(_("Tokens"), "key", "authtoken_tokenproxy"),
        ],
    ),
]
FOLDED = [title for title, _lines in MENU[-2:]]
"""Of no use on most days."""


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The lines that this person may follow. We are where the longest address leads that this page's begins with."""
    groups: list[dict[str, Any]] = []
    for title, lines in MENU:
        items = [_item(line) for line in lines if request.user.has_perms(line.needs)]
        if items:
            groups.append({"title": title, "items": items, "collapsible": title in FOLDED})
    found = [item for group in groups for item in group["items"]]
    here = max((item["link"] for item in found if request.path.startswith(item["link"])), key=len, default="")
    for item in found:
        item["active"] = item["link"] == here
    return groups


def _item(line: Line) -> dict[str, Any]:
    return {"title": line.title, "icon": line.icon, "link": reverse(line.view)}
