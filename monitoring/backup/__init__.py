"""Backups of what cannot be had again, sealed, on several targets; and bringing it back."""


class BackupError(Exception):
    """Something that was to be expected went wrong. The text is for people: what it is and what to do, no secrets."""
