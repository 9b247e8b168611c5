"""Staff's pages of this app, by subject."""

from monitoring.admin import incidents, routes, windows

__all__ = ["incidents", "routes", "windows"]
