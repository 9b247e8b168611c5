"""Invented guests in six languages. Pure: the same dice make the same people; addresses are example.com's."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Home:
    """Where guests come from: country, language, and what people there are called and say."""

    country: str
    language: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    message: str
    plate: str


HOMES = (
    Home(
        "DK",
        "da",
        ("Anders", "Birgit", "Søren", "Mette", "Lærke", "Rasmus", "Åse", "Jørgen"),
        ("Bakkegård", "Æblehave", "Møllevang", "Strandby", "Højlund", "Engkær", "Skovhus"),
        "Vi kommer sidst på eftermiddagen og har forteltet med.",
        "DK {} {}",
    ),
    Home(
        "DE",
        "de",
        ("Anke", "Jürgen", "Sabine", "Torsten", "Käthe", "Björn", "Heike", "Uwe"),
        ("Müllerstein", "Groß-Heide", "Förster", "Waldhaus", "Lüders-Feld", "Nordkamp", "Deichgräber"),
        "Wir reisen mit Wohnwagen und Hund an.",
        "FL {} {}",
    ),
    Home(
        "NL",
        "nl",
        ("Sanne", "Joost", "Femke", "Willem", "Marijke", "Bram", "Noortje"),
        ("van den Duin", "de Windhoek", "ter Molen", "van 't Veld", "Zeilstra", "Polderman"),
        "Graag een plek met schaduw.",
        "NL-{}-{}",
    ),
    Home(
        "SE",
        "sv",
        ("Göran", "Ebba", "Åke", "Linnéa", "Sven-Erik", "Märta", "Olle"),
        ("Björkskog", "Sjöstrand", "Lövgård", "Åkerby", "Granholm", "Källman"),
        "Vi kommer med husbil.",
        "S {} {}",
    ),
    Home(
        "NO",
        "no",
        ("Øyvind", "Ragnhild", "Kåre", "Sigrid", "Håkon", "Torunn", "Åshild"),
        ("Fjordvik", "Nordmann-Li", "Ødegård", "Haugland-Sæter", "Bergtun", "Myrvoll"),
        "Vi har med oss to elsykler.",
        "N {} {}",
    ),
    Home(
        "GB",
        "en",
        ("Emma", "Oliver", "Maeve", "Graham", "Siobhan", "Rhys", "Tabitha"),
        ("O'Example", "Heatherley", "Wetherby-Moss", "Campling", "Fieldgate", "Tarnbrook"),
        "We would like to charge our car at night.",
        "GB {} {}",
    ),
)
OFTEN = (30, 34, 12, 9, 9, 6)
CLUBS = ("Fjord Caravanklubb", "Caravan-Freunde Musterstadt", "Campingvennerne", "Kampeerclub De Zwaan")


def guest(dice: random.Random) -> dict[str, Any]:
    """The guest of a booking, in Sirvoy's form; now and then something is missing, as it is in life."""
    home = dice.choices(HOMES, OFTEN)[0]
    first, last = dice.choice(home.first_names), dice.choice(home.last_names)
    return {
        "firstName": first,
        "lastName": last,
        "businessName": None,
        "address": None,
        "postcode": None,
        "city": None,
        "country": home.country,
        "phone": f"+00 {dice.randrange(10**8):08}" if dice.random() < 0.9 else None,
        "email": f"{_plain(first)}.{_plain(last)}@example.com" if dice.random() < 0.95 else None,
        "passportNo": None,
        "language": home.language,
        "message": home.message if dice.random() < 0.2 else None,
    }


def name(dice: random.Random) -> str:
    """Of somebody else of a group."""
    home = dice.choices(HOMES, OFTEN)[0]
    return f"{dice.choice(home.first_names)} {dice.choice(home.last_names)}"


def plate(dice: random.Random, country: str) -> str:
    """A number plate that looks like those of the country."""
    pattern = next((home.plate for home in HOMES if home.country == country), "{} {}")
    letters = "".join(dice.choices("ABCDEHKLMNPRST", k=2))
    return pattern.format(letters, dice.randrange(100, 1000))


def _plain(text: str) -> str:
    """As it stands in a mail address."""
    spelled = text.casefold().replace("ø", "o").replace("æ", "ae").replace("å", "aa")
    ascii_only = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return "".join(letter for letter in ascii_only if letter.isalnum())
