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


OF: dict[str, Component] = {
    "worker_silent": Component.WORKER,
    "broker_away": Component.BROKER,
    "worker_lags": Component.WORKER,
    "jobs_wait": Component.JOBS,
    "job_failed": Component.JOBS,
    "redis_away": Component.STORAGE,
    "partition_missing": Component.STORAGE,
    "disk_full": Component.STORAGE,
    "bridge_offline": Component.NETWORKS,
    "many_silent": Component.NETWORKS,
    "meter_silent": Component.NETWORKS,
    "ping_cascade": Component.NETWORKS,
    "network_open": Component.NETWORKS,
    "retained_commands": Component.NETWORKS,
    "health_silent": Component.NETWORKS,
    "events_failed": Component.BOOKINGS,
    "events_wait": Component.BOOKINGS,
    "route_fails": Component.ALERTS,
    "route_unknown": Component.ALERTS,
    "check_failed": Component.ALERTS,
}
DOWN: dict[Component, frozenset[str]] = {
    Component.NETWORKS: frozenset({"bridge_offline", "many_silent"}),
    Component.BROKER: frozenset({"broker_away"}),
    Component.WORKER: frozenset({"worker_silent", "worker_lags"}),
    Component.JOBS: frozenset({"jobs_wait"}),
    Component.BOOKINGS: frozenset({"events_wait"}),
}
"""The kinds during which a component did not do its work: what its availability is computed of."""


def of(code: str) -> str:
    """ "" of a code that is no more."""
    return OF.get(code, "")
