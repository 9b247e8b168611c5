"""The API under /api/v1/: areas, pitches, meters and their use, switching. For staff and for machines with a token."""
