"""Staff's pages of this app, by subject."""

from monitoring.admin import incidents, kept, routes, windows

__all__ = ["incidents", "kept", "routes", "windows"]
