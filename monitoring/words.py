"""What each finding means, for people: what is wrong, and what to do. Facts of the finding stand in %(braces)s."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Words(NamedTuple):
    """`todo` is for whoever is on duty; docs/runbook.md and its translation have a paragraph of the same code."""

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
    "broker_no_round_trip": Words(
        _("A message to the MQTT broker does not come back"),
        _("Look whether the broker (Mosquitto) runs. Its access list must allow the topic campsite/round-trip."),
    ),
    "broker_slow": Words(
        _("The MQTT broker needs %(seconds)s s for a message there and back"),
        _("Look whether its machine is overloaded or its disk sleeps. A click then takes as long until it is proven."),
    ),
    "broker_drops": Words(
        _("The MQTT broker drops %(messages)s messages a minute"),
        _("Some client does not take what it asked for. Find it, and set max_queued_messages to 200000."),
    ),
    "worker_lags": Words(
        _("Messages are stored %(seconds)s s late, %(queued)s of them wait"),
        _("Look whether the database is slow or its disk is full."),
    ),
    "shard_silent": Words(
        _("The MQTT worker %(worker)s gives no sign of life: nothing is heard or switched in %(areas)s"),
        _("Start this worker (mqtt_worker) again. Power stays as it is; what is measured waits on the broker."),
    ),
    "shard_deaf": Words(
        _("The MQTT worker %(worker)s is not connected to the broker: nothing is heard or switched in %(areas)s"),
        _("The other workers are. Look at this one's log: the broker may refuse it. Start it again."),
    ),
    "area_untaken": Words(
        _("No MQTT worker takes the area %(area)s: nothing is heard or switched there"),
        _("Put %(slug)s into the list of areas of one of the workers (--areas), and start that worker again."),
    ),
    "jobs_wait": Words(
        _("Background jobs are not being run: %(jobs)s are due"),
        _("Start the background jobs (qcluster) again. Check-ins still switch; time limits and mails do not happen."),
    ),
    "job_failed": Words(
        _("The job %(job)s failed %(times)s times within an hour"),
        _("A technician finds the reason in Technique, Failed tasks. Tell the developer."),
    ),
    "not_forgotten": Words(
        _("What is old is not forgotten: of %(kinds)s kinds of data"),
        _("See which, and why, at What is kept (Technique). The log of the background jobs has more."),
    ),
    "redis_away": Words(
        _("Redis cannot be reached: boards look every few seconds instead of being told"),
        _("Start Redis again. Nothing is lost."),
    ),
    "partition_missing": Words(
        _("The table for the readings of %(day)s is missing"),
        _("Run: manage.py shell -c 'from meters import partitions; partitions.ensure_ahead()'"),
    ),
    "usage_unproven": Words(
        _("The use of %(day)s is not what its readings tell: %(kwh)s kWh instead of %(raw_kwh)s kWh"),
        _("Run: manage.py rebuild_usage. Until it is mended no readings are dropped: nothing is lost."),
    ),
    "disk_full": Words(
        _("%(percent)s %% of the disk of %(folder)s is left (%(free_gb)s GB)"),
        _("Make room: old backups and logs first. Below 1 GB the database stops."),
    ),
    "database_fills": Words(
        _("The disk is full in %(days)s days: readings take %(mb_a_day)s MB a day, the database %(size_gb)s GB"),
        _("Get more room, or keep readings for fewer days. Look whether a meter sends far too much."),
    ),
    "clock_differs": Words(
        _("The clocks of the database and of our programs differ by %(seconds)s s"),
        _("Set both machines' clocks by the network (NTP)."),
    ),
    "area_clock_ahead": Words(
        _("%(area)s: the clock of its Zigbee2MQTT is ahead of ours"),
        _("Set the clock of its machine by the network (NTP). Readings that are two minutes ahead are refused."),
    ),
    "backup_unset": Words(
        _("Nothing is backed up: %(settings)s is not set"),
        _("Name a target and a key (docs/backup.md). Until then a dead disk costs everything."),
    ),
    "backup_overdue": Words(
        _("No backup has come to %(target)s for %(hours)s hours"),
        _("Press “Back up now” (Technique, Backups). What hinders it stands there."),
    ),
    "backup_failed": Words(
        _("The last backup did not get to %(target)s: %(why)s"),
        _("Mend what is said here, then press “Back up now” (Technique, Backups)."),
    ),
    "backup_incomplete": Words(
        _("The last backup lacks %(missing)s"),
        _("The backup's page says why. Mend it, then press “Back up now” (Technique, Backups)."),
    ),
    "drill_overdue": Words(
        _("No backup has been brought back on trial for %(days)s days"),
        _("Run: manage.py restore_drill. A backup that was never brought back may be none."),
    ),
    "drill_failed": Words(
        _("The last restore drill, of a backup on %(target)s, failed: %(why)s"),
        _("Press “Back up now” and run manage.py restore_drill. If it fails again, tell the developer."),
    ),
    "bridge_offline": Words(
        _("%(area)s: Zigbee2MQTT is not running. None of its meters is heard or switched"),
        _("Look whether its antenna has power and network, then start its Zigbee2MQTT again."),
    ),
    "coordinator_lost": Words(
        _("%(area)s: its Zigbee2MQTT lost its antenna and ended. None of its meters is heard or switched"),
        _("Look at the antenna (coordinator): its power, its network cable. Then start its Zigbee2MQTT again."),
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
        _("A technician presses Apply on the area's page, then Restart. Pause now: %(value)s."),
    ),
    "network_open": Words(
        _("%(area)s is open for new devices"),
        _("Close it (Technician, the area), unless somebody is installing meters right now."),
    ),
    "retained_commands": Words(
        _("%(area)s: %(count)s old commands lie on the broker and are run at each restart: %(topics)s"),
        _("Find who leaves them there (retain), and delete them on the broker: publish an empty retained message."),
    ),
    "health_silent": Words(
        _("%(area)s: its Zigbee2MQTT is said to be online, but tells nothing of its health any more"),
        _("It hangs, or it starts again and again: read its log, and restart it."),
    ),
    "channel_differs": Words(
        _("%(area)s sends on Zigbee channel %(channel)s, planned is %(planned)s"),
        _("Correct the plan in Areas, or the channel in its configuration; some meters must then be paired anew."),
    ),
    "configuration_deviates": Words(
        _("%(area)s: its Zigbee2MQTT is not configured as recommended: %(rules)s"),
        _("On the area's page (Technique, Configuration audit) a technician finds a button Apply at most deviations."),
    ),
    "restart_waits": Words(
        _("%(area)s: changed settings of its Zigbee2MQTT are not in force: it has to be restarted"),
        _("Restart it from the area's page at a quiet moment. For up to a minute its meters cannot be switched."),
    ),
    "many_chatter": Words(
        _("%(area)s: %(meters)s of %(of)s meters send without end"),
        _("The network is overloaded. Look what they have in common: new firmware, an automation, an interval."),
    ),
    "chatters": Words(
        _("%(meter)s in %(area)s sends %(per_min)s messages a minute"),
        _("Switch it off and on at the fuse. If it goes on, exchange it: one such meter slows its whole area down."),
    ),
    "storm": Words(
        _("%(area)s publishes %(per_s)s messages a second, usually %(usual_per_s)s"),
        _("Look in its Zigbee2MQTT's log what comes so often: an automation, pings, a log level of debug."),
    ),
    "queue_waits": Words(
        _("%(area)s: %(queued)s messages wait in its Zigbee2MQTT and do not get to the broker"),
        _("Look whether its machine reaches the broker, and whether the broker is overloaded."),
    ),
    "restarts_often": Words(
        _("%(area)s: its Zigbee2MQTT restarted %(times)s times within a day"),
        _("Read its log before each start: an antenna that drops out, too little memory, an update."),
    ),
    "rejoins": Words(
        _("%(meter)s in %(area)s left its network %(left)s times and changed its address %(moved)s times within a day"),
        _("Look at its supply: a loose contact. Then at its radio link: a repeater nearby helps."),
    ),
    "weak_link": Words(
        _("%(meter)s in %(area)s has been hardly heard for hours (link quality %(linkquality)s of 255)"),
        _("Put a repeater between it and the antenna. Commands there need several attempts."),
    ),
    "many_frozen": Words(
        _("%(area)s: %(meters)s of %(of)s meters are heard, but measure nothing new"),
        _("Look whether its Zigbee2MQTT still asks them for values or lets them report, and restart it."),
    ),
    "frozen": Words(
        _("%(meter)s in %(area)s is heard, but has measured the same for %(hours)s hours (%(volts)s V)"),
        _("Do not trust its values. Switch it off and on at the fuse; if it stays so, exchange it."),
    ),
    "current_while_off": Words(
        _("%(meter)s in %(area)s says that it is off, but %(amperes)s A flow"),
        _("Its relay may be welded: treat the stand as live, and exchange the meter."),
    ),
    "load_gone": Words(
        _("%(meter)s in %(area)s is on and used nothing for a day, where it used %(kwh)s kWh and more each day"),
        _("Ask there whether the power is on: a breaker behind the meter may have tripped, and a freezer thaws."),
    ),
    "counter_fell": Words(
        _("%(meter)s in %(area)s counts anew from %(kwh)s kWh: its counter fell"),
        _("Nothing to do, unless it happens again: what was used before is kept, and billed."),
    ),
    "counter_jumped": Words(
        _("%(meter)s in %(area)s counts from %(kwh)s kWh: its counter jumped by more than its breaker can pass"),
        _("Look at its history. The jump is not billed; if it was real, correct the stay."),
    ),
    "counter_odd": Words(
        _("%(meter)s in %(area)s told a counter that makes no sense (%(kwh)s kWh): it was left out of the bill"),
        _("Look at it under Quarantined values. If it comes again and again, exchange the meter."),
    ),
    "vacant_use": Words(
        _("%(kwh)s kWh were used without a guest within a day, on %(places)s pitches: %(where)s"),
        _("Open Use without a guest, and look who takes power there."),
    ),
    "not_on": Words(
        _("%(meter)s in %(area)s should be on and is off"),
        _("Its page says why it is left alone, and offers to switch it on."),
    ),
    "not_off": Words(
        _("%(meter)s in %(area)s should be off and is on"),
        _("Its page says why it is left alone. Switch it off there, or at the fuse."),
    ),
    "commands_fail": Words(
        _("%(area)s: %(failed)s of %(of)s commands failed within an hour"),
        _("Its network is overloaded or disturbed. Switch no more than you must, and look for a storm."),
    ),
    "disobeys": Words(
        _("%(meter)s in %(area)s did not obey the last %(times)s times"),
        _("Go there: switch at the fuse if it is urgent. Power off and on often helps."),
    ),
    "stopped": Words(
        _("Nothing is switched automatically: everything automatic is stopped (%(reason)s)"),
        _("Look at what waits to be switched, then end the stop: Stop everything automatic."),
    ),
    "events_failed": Words(
        _("%(events)s events from Sirvoy could not be worked on"),
        _("Open Events from Sirvoy, read the reason, mend it, and press Replay."),
    ),
    "events_wait": Words(
        _("%(events)s events from Sirvoy have waited for more than ten minutes"),
        _("Look whether the background jobs (qcluster) run."),
    ),
    "webhook_silent": Words(
        _("Nothing has come from Sirvoy for %(hours)s h, in which %(events)s events and more came in other weeks"),
        _("Look in Sirvoy whether its webhook is still there. Until then, switch for those who arrive by hand."),
    ),
    "address_unchecked": Words(
        _("Sirvoy does not look any more whether the address %(address)s answers"),
        _("Look in Sirvoy whether this webhook is still there. If it is not needed, revoke the address."),
    ),
    "route_fails": Words(
        _("Alerts by %(route)s do not get through"),
        _("Press Test at this alert route. Look whether its address in ALERT_URLS is still right."),
    ),
    "route_unknown": Words(
        _("The alert route %(route)s has no address"),
        _("Put its address into ALERT_URLS under this name, or take the route out of use."),
    ),
    "nobody_on_duty": Words(
        _("At %(hours)s of the day's 24 hours nobody is told when something critical happens"),
        _("Make an alert route that is told at any time (Technique, Alert routes)."),
    ),
    "probe_fails": Words(
        _("%(name)s does not answer (%(why)s)"),
        _("Look whether it runs: %(address)s."),
    ),
    "certificate_ends": Words(
        _("The certificate of %(address)s ends in %(days)s days"),
        _("Renew it; look why that did not happen by itself. Afterwards Sirvoy and guests' telephones refuse us."),
    ),
    "certificate_refused": Words(
        _("The certificate of %(address)s is not accepted: %(why)s"),
        _("Whoever calls us there is refused as well, Sirvoy too. Renew it, or start the server there again."),
    ),
    "logins_attacked": Words(
        _("Somebody tries out passwords: %(tries)s times within an hour, %(names)s names, %(addresses)s addresses"),
        _("See Wrong tries to log in (Staff). Staff get in where they did before; who is not needed is made inactive."),
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
    known = {name: _written(value) for name, value in facts.items()}
    try:
        return str(words) % known
    except (KeyError, ValueError):  # facts of an older version
        return str(words)


def _written(value: Any) -> Any:
    """As the reader's language writes it."""
    if value is None:
        return "–"
    return number_format(value) if isinstance(value, float) else value
