"""Staff's pages of this app, by subject."""

from monitoring.admin import drills, incidents, kept, routes, windows

__all__ = ["drills", "incidents", "kept", "routes", "windows"]
