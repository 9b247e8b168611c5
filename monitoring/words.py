"""What each finding means, for people: what is wrong, and what to do. Facts of the finding stand in %(braces)s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Words(NamedTuple):
    """`todo` is for whoever is on duty; docs/runbook.md has a paragraph of the same code."""

    what: Promise
    todo: Promise


WORDS: dict[str, Words] = {
    "worker_silent": Words(
        _("The MQTT worker gives no sign of life: nothing is heard or switched"),
        _("Start the worker (mqtt_worker) again. Power stays as it is; what is measured waits on the broker."),
    ),
    "broker_away": Words(
        _("The MQTT broker cannot be reached: nothing is heard or switched"),
        _("Look whether the broker (Mosquitto) runs on the NAS, and start it. Orders wait until it is back."),
    ),
    "worker_lags": Words(
        _("Messages are stored %(seconds)s s late, %(queued)s of them wait"),
        _("Look whether the database is slow or its disk is full."),
    ),
    "jobs_wait": Words(
        _("Background jobs are not being run: %(jobs)s are due"),
        _("Start the background jobs (qcluster) again. Check-ins still switch; time limits and mails do not happen."),
    ),
    "job_failed": Words(
        _("The job %(job)s failed %(times)s times within an hour"),
        _("The reason stands in Background jobs, Failed tasks. Tell the developer."),
    ),
    "redis_away": Words(
        _("Redis cannot be reached: boards look every few seconds instead of being told"),
        _("Start Redis again. Nothing is lost."),
    ),
    "partition_missing": Words(
        _("The table for the readings of %(day)s is missing"),
        _("Run: manage.py shell -c 'from meters import partitions; partitions.ensure_ahead()'"),
    ),
    "disk_full": Words(
        _("%(percent)s %% of the disk of %(folder)s is left (%(free_gb)s GB)"),
        _("Make room: old backups and logs first. Below 1 GB the database stops."),
    ),
    "bridge_offline": Words(
        _("%(area)s: Zigbee2MQTT is not running. None of its meters is heard or switched"),
        _("Look whether its antenna has power and network, then start its Zigbee2MQTT again."),
    ),
    "many_silent": Words(
        _("%(area)s: %(silent)s of %(meters)s meters are not heard any more"),
        _("Many at once: look for a tripped fuse of a row of stands, or whether the antenna stands as it did."),
    ),
    "meter_silent": Words(
        _("%(meter)s in %(area)s is not heard any more"),
        _("Look at its fuse first. If its stand has power, switch the fuse off and on again: it joins by itself."),
    ),
    "ping_cascade": Words(
        _("%(area)s: its Zigbee2MQTT pings dead meters without end, so one fuse can stop the whole network"),
        _("Press Apply on the area's page (Technique, Configuration audit), then Restart. Pause now: %(value)s."),
    ),
    "network_open": Words(
        _("%(area)s is open for new devices"),
        _("Close it in Zigbee2MQTT (Permit join), unless somebody is installing meters right now."),
    ),
    "retained_commands": Words(
        _("%(area)s: %(count)s old commands lie on the broker and are run at each restart: %(topics)s"),
        _("Find who leaves them there (retain), and delete them on the broker: publish an empty retained message."),
    ),
    "health_silent": Words(
        _("%(area)s: its Zigbee2MQTT is said to be online, but tells nothing of its health any more"),
        _("It probably hangs: restart it."),
    ),
    "configuration_deviates": Words(
        _("%(area)s: its Zigbee2MQTT is not configured as recommended: %(rules)s"),
        _("Open the area's page (Technique, Configuration audit): most deviations have an Apply button."),
    ),
    "restart_waits": Words(
        _("%(area)s: changed settings of its Zigbee2MQTT are not in force: it has to be restarted"),
        _("Restart it from the area's page at a quiet moment. For up to a minute its meters cannot be switched."),
    ),
    "events_failed": Words(
        _("%(events)s events from Sirvoy could not be worked on"),
        _("Open Events from Sirvoy, read the reason, mend it, and press Replay."),
    ),
    "events_wait": Words(
        _("%(events)s events from Sirvoy have waited for more than ten minutes"),
        _("Look whether the background jobs (qcluster) run."),
    ),
    "route_fails": Words(
        _("Alerts by %(route)s do not get through"),
        _("Press Test at this alert route. Look whether its address in ALERT_URLS is still right."),
    ),
    "route_unknown": Words(
        _("The alert route %(route)s has no address"),
        _("Put its address into ALERT_URLS under this name, or take the route out of use."),
    ),
    "check_failed": Words(
        _("What should look at this could not: %(check)s (%(error)s)"),
        _("The log of the background jobs has the reason. Tell the developer."),
    ),
}


def what(code: str, facts: Mapping[str, Any]) -> str:
    """One sentence in the reader's language, without its full stop; a code that is no more stands for itself."""
    return _filled(WORDS[code].what, facts) if code in WORDS else code


def todo(code: str, facts: Mapping[str, Any]) -> str:
    return _filled(WORDS[code].todo, facts) if code in WORDS else ""


def _filled(words: Promise, facts: Mapping[str, Any]) -> str:
    known = {name: "–" if value is None else value for name, value in facts.items()}
    try:
        return str(words) % known
    except (KeyError, ValueError):  # facts of an older version
        return str(words)
