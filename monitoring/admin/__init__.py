"""Staff's pages of this app, by subject."""

from monitoring.admin import backups, drills, incidents, kept, routes, windows

__all__ = ["backups", "drills", "incidents", "kept", "routes", "windows"]
