"""Backups of what cannot be had again, sealed, on several targets; and bringing it back."""

LONGEST_S = 4 * 3600
"""django-q2 ends a backup that takes longer. Through 20 Mbit/s 36 GB go up in that time."""


class BackupError(Exception):
    """Something that was to be expected went wrong. The text is for people: what it is and what to do, no secrets."""
