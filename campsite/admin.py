"""The admin's pages of log-ins: campsite/login/accounts.py and attempts_admin. The admin looks for them here."""

from campsite.login import accounts, lists

__all__ = ["accounts", "lists"]
