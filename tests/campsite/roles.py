"""Who may what, as one table: what test_roles.py holds every page and act against, and docs/roles.md shows
(`python -m tests.campsite.roles` writes it there).

A letter for each group: R reception, T technician, M manager, A auditor. A superuser may all; nobody else may anything.
Whoever adds a page, an act or a table adds its line here: test_roles.py fails until it stands here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

GROUPS = {"R": "reception", "T": "technician", "M": "manager", "A": "auditor"}
ALL = "RTMA"
"""All who work here in one of the groups."""


class Act(NamedTuple):
    """A page that is opened (`sent` None), or what is done by sending a form.

    `at`: the name of the address and what stands in it: a row of the test's site by its name, else the word itself.
    """

    what: str
    at: str
    may: str
    sent: dict[str, Any] | None = None
    is_json: bool = False
    is_kept: bool = True
    """Whether something changes, and the audit log then tells who did it."""
    first: str = ""
    """What must have been done before: a word of everything.FIRST."""


def page(what: str, at: str, may: str) -> Act:
    return Act(what, at, may, is_kept=False)


def asked(what: str, at: str, may: str, **sent: Any) -> Act:
    """A form that is sent and changes nothing: a question, a preview."""
    return Act(what, at, may, sent, is_kept=False)


def done(what: str, at: str, may: str, **sent: Any) -> Act:
    return Act(what, at, may, sent)


def chosen(what: str, table: str, row: str, action: str, may: str, **sent: Any) -> Act:
    """One of a list's actions, on one row."""
    return Act(what, f"admin:{table}_changelist", may, {"action": action, "_selected_action": row} | sent)


def board(what: str, at: str, may: str, **sent: Any) -> Act:
    return Act(what, at, may, sent, is_json=True)


def of_stay(what: str, verb: str, may: str = "RM", **sent: Any) -> Act:
    return Act(what, f"reception_stay stay {verb}", may, sent | {"sure": "1"})


DESK: list[Act] = [
    page("Open reception, find a guest", "reception", "RM"),
    page("Find a guest", "reception_search", "RM"),
    page("Open a booking with its guest", "reception_booking number", "RM"),
    page("Look at the mail with the guest's link", "reception_link_mail stay", "RM"),
    page("Open the receipt", "reception_receipt stay", "RM"),
    page("Take along a stay's readings", "reception_data stay readings", "RM"),
    page("Take along a stay's ledger", "reception_data stay ledger", "RM"),
    done("Print a card with a new link", "reception_card stay", "RM"),
    of_stay("Revoke a stay's links", "revoke"),
    of_stay("Move a stay to another pitch", "move", pitch="102"),
    of_stay("Give a guest another outlet", "add", number="202"),
    of_stay("Take an outlet from a guest", "take", meter="meter"),
    of_stay("Exchange a guest's meter", "exchange", meter="meter", new="spare", reason="burnt"),
    of_stay("Let a guest stay longer today", "late", until="2099-01-01T12:00"),
    of_stay("Check a guest out", "check-out"),
    Act("Check a guest in again", "reception_stay left reopen", "RM", {"sure": "1"}),
    of_stay("Correct a guest's kWh", "correct", kwh="2.5", reason="the neighbour's heater"),
    of_stay("Switch a guest's power on", "on", "RTM", meter="meter", reason="asked"),
    of_stay("Switch a guest's power off", "off", "RTM", meter="meter", reason="asked"),
    of_stay("Let a guest's meter go", "let-go", "RTM", meter="wanted", reason="asked"),
    done("Sell a package", "reception_verb booking sell", "RM", kwh="10", price="45", note="cash"),
    done("Note an amount as typed into Sirvoy", "reception_verb booking charge", "RM", expected="due"),
    done("Take that back", "reception_verb charged take-back", "RM", sure="1"),
    done("Note a guest's language", "reception_verb booking language", "RM", language="nl"),
    done("Say which pitch a room of Sirvoy is", "reception_room room", "RM", pitch="102"),
    done("The same, on the room's page", "admin:bookings_room_pitch room", "RM", pitch="102"),
    done("Note that a guest was told of the package", "reception_told notice", "RM"),
    chosen("The same, in the list", "bookings_packagenotice", "notice", "note_told", "RM"),
    done("Note a reported problem as solved, on its page", "reception_solved reported", "RTM", note="breaker"),
    chosen("Note reported problems as solved", "bookings_problemreport", "reported", "mark_solved", "RTM"),
    chosen("Forget a guest on request", "bookings_booking", "gone", "erase_guests", "M", sure="1"),
    page("Open the page that brings in a file of Sirvoy's", "admin:bookings_booking_import", "M"),
    done("Bring in a file of Sirvoy's", "admin:bookings_booking_import", "M", kept="file"),
    done("Replay an event of Sirvoy's", "admin:bookings_webhookevent_replay event", "RM"),
    chosen("Replay events of Sirvoy's", "bookings_webhookevent", "event", "replay", "RM"),
    chosen("Revoke a webhook address", "bookings_webhooktoken", "token", "revoke", "M", sure="1"),
]
MONEY: list[Act] = [
    page("Open the departures and what they owe", "admin:bookings_charge_departures", "RMA"),
    page(
        "Take along departures, charges, sums",
        "admin:bookings_charge_export?kind=departures&from=2026-01-01&to=2026-01-31",
        "RMA",
    ),
    page("Open the data to take along", "admin:bookings_charge_data", ALL),
    page(
        "Take along the use of all meters, and the ledger",
        "admin:bookings_charge_data_export?what=ledger&month=2026-01",
        ALL,
    ),
    page("Open the use without a guest", "admin:bookings_powerrule_vacancy", ALL),
]
POWER: list[Act] = [
    page("Open a meter's page", "meter ieee", ALL),
    board("Preview an order on the board", "switching-plan", "RTM", meters=["meter"], state=True)._replace(
        is_kept=False
    ),
    board("Switch on the board", "switching-order", "RTM", meters=["meter"], state=True, reason="asked", key="k"),
    board("Cancel an order on the board", "switching-cancel-order order", "RTM"),
    board("Cancel a command on the board", "switching-cancel-command command", "RTM"),
    board("Preview letting go", "switching-plan-let-go", "RTM", meters=["wanted"])._replace(is_kept=False),
    board("Let meters go on the board", "switching-let-go", "RTM", meters=["wanted"], reason="asked"),
    board("Stop everything automatic, on the board", "switching-stop", "RTM", reason="storm"),
    board("Let the software switch again, on the board", "switching-release", "TM")._replace(first="stopped"),
    page("Open an order's preview", "admin:meters_meter_switch?meter=meter on", "RTM"),
    done("Switch on", "admin:meters_meter_switch on", "RTM", meter="meter", confirmed="yes", reason="asked"),
    done("Switch off", "admin:meters_meter_switch off", "RTM", meter="live", confirmed="yes", reason="asked"),
    chosen("Choose meters to switch on", "meters_meter", "meter", "switch_on", "RTM")._replace(is_kept=False),
    chosen("Choose meters to switch off", "meters_meter", "meter", "switch_off", "RTM")._replace(is_kept=False),
    chosen("Choose meters to let go", "meters_meter", "meter", "let_go", "RTM")._replace(is_kept=False),
    done("Let meters go", "admin:meters_meter_let_go", "RTM", meter="wanted", confirmed="yes", reason="asked"),
    chosen("Choose an area to switch on", "meters_area", "area", "switch_all_on", "RTM")._replace(is_kept=False),
    chosen("Choose an area to switch off", "meters_area", "area", "switch_all_off", "RTM")._replace(is_kept=False),
    done("Cancel an order", "admin:meters_order_cancel order", "RTM"),
    chosen("Cancel commands", "meters_command", "command", "cancel", "RTM"),
    done("Stop everything automatic", "admin:meters_automaticstop_stop", "RTM", reason="storm"),
    done("Let the software switch again", "admin:meters_automaticstop_resume", "TM")._replace(first="stopped"),
    page("Open the page that lets an area act", "admin:meters_area_control?area=area act", "TM"),
    done("Let an area act", "admin:meters_area_control act", "TM", area="quiet"),
    done("Make an area only observe", "admin:meters_area_control observe", "TM", area="area"),
    chosen("Choose areas to act", "meters_area", "area", "act", "TM")._replace(is_kept=False),
    chosen("Choose areas to observe", "meters_area", "area", "observe", "TM")._replace(is_kept=False),
]
TECHNIQUE: list[Act] = [
    page("Open the technician's pages", "technician", "TM"),
    page("Find a meter", "technician_find", "TM"),
    page("Print labels", "technician_labels", "TM"),
    page("Open an area, to pair", "technician_area slug", "TM"),
    page("Open a device", "technician_device ieee", "TM"),
    page("Open the guided exchange", "technician_exchange", "TM"),
    done("Open an area for new devices", "technician_open slug", "TM"),
    done("Close it", "technician_close slug", "TM"),
    done("Ask a device again what it is", "technician_act ieee interview", "TM"),
    done("Let a meter click", "technician_act spare_ieee identify", "TM"),
    done("Name a device", "technician_act ieee name", "TM", name="101,7"),
    done("Hang a meter on a pitch", "technician_act spare_ieee install", "TM", pitch="102"),
    done("Take a meter down", "technician_act ieee take-down", "TM", reason="broken"),
    done("Change what a device reports", "technician_act ieee report", "TM", preset="preset"),
    done("Remove a device from its network", "technician_act spare_ieee remove", "TM"),
    done(
        "Exchange a meter",
        "technician_exchange?old=ieee&new=spare_ieee",
        "TM",
        old="ieee",
        new="spare_ieee",
        reason="burnt",
    ),
    Act("Ask both meters for their counters", "technician_exchange_ask", "TM", {"old": "ieee"}),
    page("Open a meter's readings", "admin:meters_meter_readings meter", ALL),
    page("Open a meter's hours", "admin:meters_meter_hours meter", ALL),
    page("Take along a meter's measurements", "admin:meters_meter_export?what=hours meter", ALL),
    done("Hang a meter on a pitch, by its page", "admin:meters_meter_install spare", "TM", pitch="102"),
    chosen(
        "Hang meters on the suggested pitches",
        "meters_meter",
        "spare",
        "install_on_suggested",
        "TM",
        confirmed="yes",
    ),
    done("End an installation", "admin:meters_installation_end installation", "TM", at_0="today", at_1="clock"),
    chosen("End installations", "meters_installation", "installation", "end_now", "TM"),
    page("Open the question before an area is asked", "admin:meters_area_ask area restart", "TM"),
    done("Check an area's health", "admin:meters_area_ask area health", "TM"),
    done("Restart a Zigbee2MQTT", "admin:meters_area_ask area restart", "TM"),
    page("Open the form that renames a device", "admin:meters_device_rename device", "TM"),
    done("Rename a device", "admin:meters_device_rename device", "TM", name="101,9"),
    done("Configure a device again", "admin:meters_device_configure device", "TM"),
    page("Open the configuration audit", "areas_overview", ALL),
    page("Open an area's audit", "area_page slug", ALL),
    page("Take along an area's recommended configuration", "area_configuration slug", ALL),
    page("Open what changed in an area's configuration", "area_changes slug", "TMA"),
    done("Apply the cure of a deviation", "area_apply slug", "TM", rule="rule"),
    page("Open the channel plan", "channel-plan", ALL),
    page("Open the runbook", "runbook", ALL),
]
WATCH: list[Act] = [
    Act("Look after an incident", "admin:monitoring_incident_change incident", "RTM", {"act": "look_after"}),
    Act("Leave it to others", "admin:monitoring_incident_change seen", "RTM", {"act": "leave"}),
    Act("Comment on it", "admin:monitoring_incident_change incident", "RTM", {"act": "say", "comment": "cable"}),
    Act("Snooze it", "admin:monitoring_incident_change incident", "RTM", {"act": "snooze", "length": "1h"}),
    Act("Wake it", "admin:monitoring_incident_change snoozed", "RTM", {"act": "wake"}),
    chosen("Look after incidents", "monitoring_incident", "incident", "look_after", "RTM"),
    page("Open the availability", "admin:monitoring_incident_availability", ALL),
    page("Take the availability along", "admin:monitoring_incident_availability_csv", ALL),
    done("Make a backup now", "admin:monitoring_backuprun_make", "TM"),
    chosen("Test alert routes", "monitoring_alertroute", "route", "try_out", "M"),
    chosen("End maintenance windows", "monitoring_maintenancewindow", "window", "end_now", "TM"),
    page("Take the audit log along", "admin:auditlog_logentry_export", "TMA")._replace(is_kept=True),
]
API: list[Act] = [
    page("Read stays", "stays:stay-list", ALL),
    page("Read a stay", "stays:stay-detail stay", ALL),
    page("Read an area", "api:area-detail slug", ALL),
    page("Read a pitch", "api:pitch-detail 101", ALL),
    page("Read a meter", "api:meter-detail ieee", ALL),
    page("Read a meter's use", "api:meter-usage ieee", ALL),
    page("Read commands", "api:command-list", ALL),
    page("Read a command", "api:command-detail command", ALL),
    board("Switch by the API", "api:meter-power ieee", "RTM", state="on", reason="asked"),
    board("Let go by the API", "api:meter-release wanted_ieee", "RTM"),
    board("Cancel by the API", "api:command-cancel command", "RTM"),
]
LOG_IN: list[Act] = [
    done("Log somebody out everywhere", "admin:auth_user_leave user", "M"),
    done("Take somebody's second step away", "admin:auth_user_telephone user", "M"),
    done("Let somebody in after wrong tries", "admin:auth_user_let-in user", "M"),
]
ACTS = {
    "At the desk": DESK,
    "Money and files": MONEY,
    "Power": POWER,
    "Meters, pitches, Zigbee2MQTT": TECHNIQUE,
    "Watching": WATCH,
    "Log-ins": LOG_IN,
    "By programs": API,
}


class Table(NamedTuple):
    """Who may see, add, change and remove its rows in the admin. `sent`: what a form needs beside what it shows."""

    see: str
    add: str = ""
    change: str = ""
    remove: str = ""
    added: dict[str, Any] = {}
    changed: dict[str, Any] = {}


TABLES: dict[str, Table] = {
    "bookings.Booking": Table(ALL),
    "bookings.Charge": Table("RMA"),
    "bookings.PackageNotice": Table("RMA"),
    "bookings.PackagePattern": Table("RMA", "M", "M", "M", {"pattern": "Strøm #"}, {"pattern": "El #"}),
    "bookings.PackageSale": Table("RMA"),
    "bookings.PowerRule": Table(ALL, change="M", changed={"grace_min": "20"}),
    "bookings.ProblemReport": Table("RTM"),
    "bookings.Room": Table(ALL),
    "bookings.Tariff": Table(
        *("RMA", "M", "M", "M"),
        {"name": "Winter", "mode": "metered", "kinds": ["cabin"], "price": "5", "valid_from": "2026-05-01"},
        {"price": "6"},
    ),
    "bookings.WebhookEvent": Table(ALL),
    "bookings.WebhookToken": Table("TMA", add="M", added={"name": "Sirvoy, from May"}),
    "meters.Area": Table(
        *(ALL, "TM", "TM", ""),
        *({"name": "East", "slug": "east", "base_topic": "z2m_east"}, {"expected_channel": "15"}),
    ),
    "meters.AutomaticStop": Table(ALL),
    "meters.BridgeRequest": Table("TMA"),
    "meters.Command": Table(ALL),
    "meters.CounterEpoch": Table(ALL),
    "meters.Device": Table(ALL),
    "meters.FoundInstance": Table("TMA"),
    "meters.Installation": Table(ALL, add="TM", added={"meter": "spare", "pitch": "free"}),
    "meters.Meter": Table(ALL, change="TM", changed={"note": "behind the hedge"}),
    "meters.Order": Table(ALL),
    "meters.Pitch": Table(ALL, "TM", "TM", "TM", {"number": "300"}, {"fuse_a": "16"}),
    "meters.QuarantinedReading": Table(ALL),
    "meters.RejectedMessage": Table("TMA"),
    "meters.Want": Table(ALL),
    "meters.WorkerState": Table(ALL),
    "monitoring.Alert": Table("TMA"),
    "monitoring.AlertRoute": Table("TMA", "M", "M", "M", {"name": "office"}, {"after_min": "5"}),
    "monitoring.BackupRun": Table("TMA"),
    "monitoring.Forgetting": Table("TMA"),
    "monitoring.Incident": Table(ALL),
    "monitoring.MaintenanceWindow": Table("TMA", "TM", "TM", "TM", {"why": "new cable"}, {"why": "old cable"}),
    "monitoring.RestoreDrill": Table("TMA"),
    "auth.User": Table(
        "MA",
        "M",
        "M",
        "M",
        {"username": "mette"} | dict.fromkeys(("password1", "password2"), "Teltpløk-2026"),
        {"first_name": "Mette"},
    ),
    "auth.Group": Table("MA", added={"name": "bookkeeping"}, changed={"name": "keepers"}),
    "authtoken.TokenProxy": Table("", added={"user": "user"}),
    "auditlog.LogEntry": Table("TMA"),
    "axes.AccessLog": Table("MA"),
    "axes.AccessFailureLog": Table("MA"),
    "django_q.Failure": Table("TMA"),
}


# --- for people ------------------------------------------------------------------------------------------------------

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "roles.md"
BEGINS, ENDS = "<!-- the table begins -->\n", "<!-- the table ends -->\n"
WORDS = {"see": "see", "add": "add", "change": "change", "remove": "remove"}


def document(text: str) -> str:
    """docs/roles.md with the table as it is now."""
    before, _begins, rest = text.partition(BEGINS)
    _old, _ends, after = rest.partition(ENDS)
    return f"{before}{BEGINS}{in_markdown()}{ENDS}{after}"


def in_markdown() -> str:
    parts = [_markdown(title, [(act.what, act.may) for act in acts]) for title, acts in ACTS.items()]
    return "\n" + "\n".join([*parts, _tables()]) + "\n"


def _markdown(title: str, rows: list[tuple[str, str]]) -> str:
    head = f"### {title}\n\n| | {' | '.join(GROUPS.values())} |\n|---|{':---:|' * len(GROUPS)}\n"
    return head + "".join(f"| {what} | {' | '.join(_marks(may))} |\n" for what, may in dict(rows).items())


def _marks(may: str) -> list[str]:
    return ["✓" if letter in may else "" for letter in GROUPS]


def _tables() -> str:
    head = f"### Tables of the admin\n\n| table | {' | '.join(GROUPS.values())} |\n|---|{'---|' * len(GROUPS)}\n"
    return head + "".join(f"| {label} | {' | '.join(_acts(TABLES[label]))} |\n" for label in sorted(TABLES))


def _acts(table: Table) -> list[str]:
    """For each group what it may do with the rows."""
    told = zip(WORDS.values(), table[: len(WORDS)], strict=True)
    rights = [(word, letters) for word, letters in told]
    return [", ".join(word for word, letters in rights if letter in letters) for letter in GROUPS]


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text()))
