"""The former system's areas and pitches, where they are missing here. What is here, or was deleted here, stays
as it is.

Both are staff's own tables; the audit log notes who brought them over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.text import slugify

from meters.installations import plain
from meters.legacy.found import Found, OldPitch
from meters.legacy.records import Where
from meters.legacy.report import Report
from meters.models import Area, Pitch

KINDS = ("cabin", "service", "seasonal", "touring")
"""The most certain word first: a cabin stands in the list of cabins."""


def areas(found: Found, report: Report) -> dict[str, Area]:
    """The areas by base topic. New ones only observe, and are not in service, until a person says otherwise."""
    known = {area.base_topic: area for area in Area.objects.all()}
    deleted = _deleted(Area)
    for topic, where in sorted(found.topics.items()):
        if topic in known:
            report.kept("area", topic, f"is here as {known[topic]}", where)
            continue
        name = _area_name(found, topic, {area.name for area in known.values()})
        if name in deleted:
            report.kept("area", topic, "was deleted here", where)
        elif area := _new_area(name, topic, where, report):
            known[topic] = area
    return known


def pitches(found: Found, report: Report) -> dict[str, Pitch]:
    """The pitches by all that they go by, plain."""
    known = {name: pitch for pitch in Pitch.objects.all() for name in _names(pitch)}
    deleted = {plain(number) for number in _deleted(Pitch)}
    for told in _merged(found.pitches):
        first = told[0]
        if here := next((known[name] for name in _all_names(told) if name in known), None):
            report.kept("pitch", first.number, f"is here as {here}", first.where)
        elif plain(first.number) in deleted:
            report.kept("pitch", first.number, "was deleted here", first.where)
        else:
            made = _new_pitch(told, report)
            known |= dict.fromkeys(_names(made), made)
    return known


# --- inside ----------------------------------------------------------------------------------------------------------


def _deleted(model: type[Model]) -> set[str]:
    """What staff deleted since: it is not made again."""
    of_model = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
    return set(of_model.filter(action=LogEntry.Action.DELETE).values_list("object_repr", flat=True))


def _area_name(found: Found, topic: str, taken: set[str]) -> str:
    """What the former system called it, if that names it alone; else its base topic: staff know what to call it."""
    told = found.area_names.get(topic, "")
    is_alone = list(found.area_names.values()).count(told) == 1
    return told if told and is_alone and len(told) <= 60 and told not in taken else topic[:60]


def _new_area(name: str, topic: str, where: Where, report: Report) -> Area | None:
    area = Area(name=name, slug=slugify(topic)[:40], base_topic=topic)
    try:
        area.full_clean()
    except ValidationError as wrong:
        why = " ".join(" ".join(texts) for texts in wrong.message_dict.values())
        report.ask("area", topic, why, "make it by hand, and run this again", where)
        return None
    area.save()
    report.made("area", topic, f"{area}: observes only, not in service", where)
    return area


def _merged(told: Iterable[OldPitch]) -> Iterator[list[OldPitch]]:
    """All that was said of each pitch, the most certain first; a cabin's name is its number, too."""
    several = sorted(told, key=lambda each: KINDS.index(each.kind) if each.kind else len(KINDS))
    meant = {plain(alias): plain(each.number) for each in several for alias in each.aliases}
    by_number: dict[str, list[OldPitch]] = defaultdict(list)
    for each in several:
        number = plain(each.number)
        by_number[meant.get(number, number)].append(each)
    return iter(by_number.values())


def _all_names(told: Iterable[OldPitch]) -> list[str]:
    return [plain(name) for each in told for name in (each.number, *each.aliases)]


def _names(pitch: Pitch) -> set[str]:
    return {plain(name) for name in (pitch.number, *pitch.aliases)}


def _new_pitch(told: list[OldPitch], report: Report) -> Pitch:
    first, kinds = told[0], {each.kind for each in told if each.kind}
    aliases = {
        plain(alias): alias[:40] for each in told for alias in each.aliases if plain(alias) != plain(first.number)
    }
    on_map = next(((each.map_x, each.map_y) for each in told if each.map_x is not None), (None, None))
    made = Pitch.objects.create(
        number=first.number,
        kind=first.kind or Pitch.Kind.TOURING,
        aliases=list(aliases.values()),
        map_x=on_map[0],
        map_y=on_map[1],
    )
    report.made("pitch", made.number, str(made.kind), first.where)
    if {"seasonal", "touring"} <= kinds and made.kind == Pitch.Kind.SEASONAL:
        why = "season guests and others stand on it in the files: it was made a seasonal pitch"
        report.ask("pitch", made.number, why, "if that is wrong, change its kind", first.where)
    return made
