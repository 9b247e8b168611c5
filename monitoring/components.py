"""Which part of the site each kind of incident is of: routes, maintenance windows and availability go by it. Pure."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Component(models.TextChoices):
    NETWORKS = "networks", _("Zigbee networks and meters")
    BROKER = "broker", _("MQTT broker")
    WORKER = "worker", _("MQTT worker")
    JOBS = "jobs", _("background jobs")
    BOOKINGS = "bookings", _("booking system")
    STORAGE = "storage", _("database, disks and Redis")
    ALERTS = "alerts", _("alerts and checks")
    NEIGHBOURS = "neighbours", _("what stands beside us")


OF: dict[str, Component] = {
    "worker_silent": Component.WORKER,
    "broker_away": Component.BROKER,
    "broker_no_round_trip": Component.BROKER,
    "broker_slow": Component.BROKER,
    "broker_drops": Component.BROKER,
    "worker_lags": Component.WORKER,
    "shard_silent": Component.WORKER,
    "shard_deaf": Component.WORKER,
    "area_untaken": Component.WORKER,
    "jobs_wait": Component.JOBS,
    "job_failed": Component.JOBS,
    "not_forgotten": Component.JOBS,
    "redis_away": Component.STORAGE,
    "partition_missing": Component.STORAGE,
    "usage_unproven": Component.STORAGE,
    "disk_full": Component.STORAGE,
    "database_fills": Component.STORAGE,
    "clock_differs": Component.STORAGE,
    "backup_unset": Component.STORAGE,
    "backup_overdue": Component.STORAGE,
    "backup_failed": Component.STORAGE,
    "backup_incomplete": Component.STORAGE,
    "drill_overdue": Component.STORAGE,
    "drill_failed": Component.STORAGE,
    "bridge_offline": Component.NETWORKS,
    "coordinator_lost": Component.NETWORKS,
    "many_silent": Component.NETWORKS,
    "meter_silent": Component.NETWORKS,
    "ping_cascade": Component.NETWORKS,
    "network_open": Component.NETWORKS,
    "retained_commands": Component.NETWORKS,
    "health_silent": Component.NETWORKS,
    "area_clock_ahead": Component.NETWORKS,
    "configuration_deviates": Component.NETWORKS,
    "channel_differs": Component.NETWORKS,
    "restart_waits": Component.NETWORKS,
    "many_chatter": Component.NETWORKS,
    "chatters": Component.NETWORKS,
    "storm": Component.NETWORKS,
    "queue_waits": Component.NETWORKS,
    "restarts_often": Component.NETWORKS,
    "rejoins": Component.NETWORKS,
    "weak_link": Component.NETWORKS,
    "many_frozen": Component.NETWORKS,
    "frozen": Component.NETWORKS,
    "current_while_off": Component.NETWORKS,
    "load_gone": Component.NETWORKS,
    "counter_fell": Component.NETWORKS,
    "counter_jumped": Component.NETWORKS,
    "counter_odd": Component.NETWORKS,
    "vacant_use": Component.NETWORKS,
    "not_on": Component.NETWORKS,
    "not_off": Component.NETWORKS,
    "commands_fail": Component.NETWORKS,
    "disobeys": Component.NETWORKS,
    "stopped": Component.NETWORKS,
    "events_failed": Component.BOOKINGS,
    "events_wait": Component.BOOKINGS,
    "webhook_silent": Component.BOOKINGS,
    "address_unchecked": Component.BOOKINGS,
    "route_fails": Component.ALERTS,
    "route_unknown": Component.ALERTS,
    "nobody_on_duty": Component.ALERTS,
    "probe_fails": Component.NEIGHBOURS,
    "certificate_ends": Component.NEIGHBOURS,
    "certificate_refused": Component.NEIGHBOURS,
    "logins_attacked": Component.NEIGHBOURS,
    "check_failed": Component.ALERTS,
}
DOWN: dict[Component, frozenset[str]] = {
    Component.NETWORKS: frozenset({"bridge_offline", "coordinator_lost", "many_silent"}),
    Component.BROKER: frozenset({"broker_away"}),
    Component.WORKER: frozenset({"worker_silent", "worker_lags", "shard_silent", "shard_deaf", "area_untaken"}),
    Component.JOBS: frozenset({"jobs_wait"}),
    Component.BOOKINGS: frozenset({"events_wait"}),
}
"""The kinds during which a component did not do its work: what its availability is computed of."""


def of(code: str) -> str:
    """ "" of a code that is no more."""
    return OF.get(code, "")
