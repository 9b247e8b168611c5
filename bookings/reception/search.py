"""One field finds everybody: by pitch, guest's name, booking number or number plate. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Case, F, Func, IntegerField, Q, TextField, Value, When
from django.db.models.functions import Concat, Lower
from django.urls import reverse

from bookings import rooms
from bookings.models import Booking, Stay
from meters.models import Pitch

MOST = 12
LONGEST = 60
ACCENTED = "äàáâãåæëèéêíìîïöòóôõøüùúûýçñß"
PLAIN = "aaaaaaaeeeeiiiioooooouuuuycns"
Status = Stay.Status
FIRST = [Status.IN_HOUSE, Status.EXPECTED, Status.LEFT, Status.CANCELLED]


@dataclass(frozen=True, slots=True)
class Hit:
    """Where to go: a booking, or a pitch on which nobody is."""

    url: str
    pitches: tuple[str, ...]
    guest: str = ""
    number: int | None = None
    stay: Stay | None = None


def find(text: str) -> list[Hit]:
    """The best first: who is on the pitch of that number or has that booking number, who is here, who comes next.

    Case, accents and spaces do not count. Three queries at most.
    """
    text = text.strip()[:LONGEST]
    if not text or "\x00" in text:
        return []
    pitches = _pitches(text)
    found = _bookings(_stays(text, pitches))
    with_guest = {number for hit in found for number in hit.pitches}
    empty = [pitch for pitch in pitches if pitch.number not in with_guest]
    return [*found, *(_empty(pitch) for pitch in empty if rooms.plain(text) in rooms.names(pitch))][:MOST]


# --- inside ----------------------------------------------------------------------------------------------------------


def _pitches(text: str) -> list[Pitch]:
    """Those that go by a name that begins so."""
    wanted = rooms.plain(text)
    return [pitch for pitch in Pitch.objects.all() if any(name.startswith(wanted) for name in rooms.names(pitch))]


def _stays(text: str, pitches: Iterable[Pitch]) -> list[Stay]:
    wanted = rooms.plain(text)
    exact = [pitch.pk for pitch in pitches if wanted in rooms.names(pitch)]
    plate = "".join(filter(str.isalnum, text)).upper()
    on_pitch = Q(pitch__in=exact) if exact else Q(pitch__in=[pitch.pk for pitch in pitches])
    own = {"told": _plain(_told()), "plate": _only_signs(F("booking__guest__plates"))}
    found = Stay.objects.alias(**own).select_related("booking__guest", "pitch")
    matches = on_pitch | _named(text)
    is_number = wanted.isdecimal() and len(wanted) < 18
    if is_number:
        matches |= Q(booking__sirvoy_id=int(wanted))
    if len(plate) > 2:
        matches |= Q(plate__contains=plate)
    best = When(Q(booking__sirvoy_id=int(wanted)), Value(0)) if is_number else When(Q(pitch__in=exact), Value(0))
    closeness = Case(best, default=Value(1), output_field=IntegerField())
    of_status = Case(*(When(status=s, then=Value(n)) for n, s in enumerate(FIRST)), output_field=IntegerField())
    return list(found.filter(matches).order_by(closeness, of_status, F("arrival").desc(nulls_last=True))[: MOST * 4])


def _named(text: str) -> Q:
    """Each word begins or stands in the name; of a single letter too much would be found."""
    words = [_flat(word) for word in text.split()]
    if sum(map(len, words)) < 2 or not any(c.isalpha() for c in text):
        return Q(pk=None)
    named = Q()
    for word in words:
        named &= Q(told__contains=word)
    return named


def _told() -> Concat:
    """First and last name, company, and the guests of the rooms."""
    of_rooms = Func(
        F("booking__guest__room_guests"),
        template="jsonb_path_query_array(%(expressions)s, '$[*].name')::text",
        output_field=TextField(),
    )
    guest = "booking__guest__"
    parts = (f"{guest}first_name", f"{guest}last_name", f"{guest}business_name")
    spaced = (each for part in parts for each in (F(part), Value(" ")))
    return Concat(*spaced, of_rooms, output_field=TextField())


def _plain(expression: Concat) -> Func:
    translated = Func(Lower(expression), Value(ACCENTED), Value(PLAIN), function="translate")
    translated.output_field = TextField()
    return translated


def _only_signs(expression: F) -> Func:
    signs = Func(expression, Value("[^[:alnum:]]"), Value(""), Value("g"), function="regexp_replace")
    return Func(signs, function="upper", output_field=TextField())


def _flat(word: str) -> str:
    return word.lower().translate(str.maketrans(ACCENTED, PLAIN))


def _bookings(stays: Iterable[Stay]) -> list[Hit]:
    """One hit a booking, with all the pitches by which it was found."""
    by_booking: dict[int, list[Stay]] = {}
    for stay in stays:
        by_booking.setdefault(stay.booking_id, []).append(stay)
    return [_hit(group) for group in list(by_booking.values())[:MOST]]


def _hit(stays: list[Stay]) -> Hit:
    booking: Booking = stays[0].booking
    guest = getattr(booking, "guest", None)
    return Hit(
        url=reverse("reception_booking", args=[booking.sirvoy_id]),
        pitches=tuple(dict.fromkeys(stay.pitch.number for stay in stays if stay.pitch)),
        guest=str(guest) if guest else "",
        number=booking.sirvoy_id,
        stay=stays[0],
    )


def _empty(pitch: Pitch) -> Hit:
    return Hit(reverse("admin:meters_pitch_change", args=[pitch.pk]), (pitch.number,))
