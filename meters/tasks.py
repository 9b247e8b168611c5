"""What django-q2 runs for this app: each a line, may run late or twice."""

from meters import partitions


def make_partitions() -> None:
    partitions.ensure_ahead()
