"""Staff's pages of this app, by subject."""

from monitoring.admin import backups, incidents, routes, windows

__all__ = ["backups", "incidents", "routes", "windows"]
