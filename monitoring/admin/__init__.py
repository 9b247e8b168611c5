"""Staff's pages of this app, by subject."""

from monitoring.admin import backups, incidents, kept, routes, windows

__all__ = ["backups", "incidents", "kept", "routes", "windows"]
