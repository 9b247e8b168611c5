"""The read API under /api/v1/: areas, pitches, meters and their use. For staff and for machines with a token."""
