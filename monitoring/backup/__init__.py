"""Backups of everything that cannot be had again, sealed, on several targets; and their coming back."""
