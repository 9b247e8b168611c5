"""The admin of areas, pitches, meters: forms for staff's own tables, read-only pages for what was reported."""

from meters.admin import access, areas, audit, devices, installations, meters, pitches, records

__all__ = ["access", "areas", "audit", "devices", "installations", "meters", "pitches", "records"]
