"""Which of our languages a guest reads. Pure."""

from __future__ import annotations

from django.conf import settings

from bookings.models import Guest

KNOWN = frozenset(code for code, _name in settings.LANGUAGES)
ALIASES = {"no": "nb", "nn": "nb"}
COUNTRIES = {
    **dict.fromkeys(("DK", "FO", "GL"), "da"),
    **dict.fromkeys(("DE", "AT", "CH", "LI"), "de"),
    **dict.fromkeys(("NL", "SR"), "nl"),
    **dict.fromkeys(("GB", "IE", "US", "AU", "NZ"), "en"),
    **dict.fromkeys(("NO", "SJ"), "nb"),
    **dict.fromkeys(("SE", "AX"), "sv"),
}
"""ISO 3166; where several of our languages are spoken (Belgium) the country says nothing."""


def of_guest(guest: Guest) -> str:
    """What staff said that the guest speaks, else what Sirvoy says, else that of his country; "" where none of them is
    a language of ours.
    """
    told = guest.spoken or guest.language.replace("_", "-").partition("-")[0].strip().lower()
    told = ALIASES.get(told, told)
    return told if told in KNOWN else COUNTRIES.get(guest.country.strip().upper(), "")
