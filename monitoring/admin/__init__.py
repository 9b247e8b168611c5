"""Staff's pages of this app, by subject."""

from monitoring.admin import drills, incidents, routes, windows

__all__ = ["drills", "incidents", "routes", "windows"]
