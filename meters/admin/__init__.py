"""The admin of areas, pitches, meters: forms for staff's own tables, read-only pages for what was reported."""

from meters.admin import (
    access,
    areas,
    audit_log,
    bridge,
    commands,
    devices,
    installations,
    meters,
    orders,
    pitches,
    records,
    stops,
)

__all__ = [
    "access",
    "areas",
    "audit_log",
    "bridge",
    "commands",
    "devices",
    "installations",
    "meters",
    "orders",
    "pitches",
    "records",
    "stops",
]
