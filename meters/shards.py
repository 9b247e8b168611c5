"""Which areas one worker takes: all, or those that it was told. No area has two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Q
from django.utils.functional import cached_property

from meters.models import Area

WHOLE = "mqtt"
LONGEST_NAME = 80
NO_AREA = 0
"""Stands for the devices that are in no area."""


class UnknownArea(ValueError):
    """`str()` names what is not known, and what is."""


@dataclass
class Shard:
    """What one worker takes. `slugs`: its areas, none: all; `tells`: it does what one does for all, so that nothing is
    done twice: it tells the browsers, looks for unknown Zigbee2MQTTs, ends what is overdue.
    """

    slugs: Sequence[str] = ()
    called: str = ""
    tells: bool = True
    _areas: dict[int, str] = field(default_factory=dict)  # id → slug

    def __post_init__(self) -> None:
        self.tells = self.is_whole
        if not re.fullmatch(r"[\w.-]*", self.called, re.ASCII) or len(self.called) > LONGEST_NAME:
            raise ValueError(f"A worker's name has letters, digits, dots and dashes, at most {LONGEST_NAME}.")

    @property
    def is_whole(self) -> bool:
        return not self.slugs

    @cached_property
    def name(self) -> str:
        """Of its row, its session at the broker, its log: the same at each start, as the broker keeps its messages."""
        if self.is_whole:
            return WHOLE
        return f"{WHOLE}-{self.called or '.'.join(sorted(set(self.slugs)))[:LONGEST_NAME]}"

    def client_id(self, whole: str) -> str:
        """As the broker knows it, where `whole` is the one that takes all areas."""
        return client_id(whole, self.name)

    def resolve(self) -> None:
        """Find its areas. Raises UnknownArea. An area keeps its id when its slug is changed."""
        if self.is_whole:
            return
        known = dict(Area.objects.values_list("slug", "pk"))
        if unknown := sorted(set(self.slugs) - set(known)):
            raise UnknownArea(f"There is no area {', '.join(unknown)}; there are {', '.join(sorted(known)) or 'none'}.")
        self._areas = {known[slug]: slug for slug in self.slugs}

    @property
    def areas(self) -> dict[int, str]:
        """Its areas by id, in the order in which they are locked."""
        return dict(sorted(self._areas.items()))

    @property
    def ids(self) -> list[int] | None:
        """Of its areas; None: all, those to come too."""
        return None if self.is_whole else sorted(self._areas)

    @property
    def scope(self) -> list[int] | None:
        """`ids`, and NO_AREA where what is in none is this worker's."""
        return None if self.is_whole else [*([NO_AREA] if self.tells else []), *sorted(self._areas)]


def client_id(whole: str, worker: str) -> str:
    """As the broker knows this worker (by its name), where `whole` is the one that takes all areas."""
    return whole + worker.removeprefix(WHOLE)


def of(field: str, areas: Sequence[int] | None) -> Q:
    """Those whose `field`, an area's id, is in this scope (`Shard.scope`)."""
    if areas is None:
        return Q()
    in_none = Q(**{f"{field}__isnull": True}) if NO_AREA in areas else Q(pk__in=[])
    return Q(**{f"{field}__in": areas}) | in_none
