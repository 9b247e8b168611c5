"""Sirvoy's rooms in the admin: which pitch each is, said by staff and taken back, and nothing else to edit."""

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings.models import Booking, Room, Stay
from tests import make
from tests.bookings import sirvoy

pytestmark = pytest.mark.django_db
ROOMS = reverse("admin:bookings_room_changelist")


def of(user: User) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


@pytest.fixture
def reception() -> Client:
    user = make.staff("one of reception")
    user.groups.add(Group.objects.get(name="reception"))
    return of(user)


@pytest.fixture
def viewer() -> Client:
    user = make.staff("viewer")
    user.user_permissions.set(Permission.objects.filter(codename="view_room"))
    return of(user)


def room(name: str, number: int = 47101) -> Room:
    """A room that Sirvoy named in a booking of July 2026."""
    sirvoy.send(sirvoy.booking(sirvoy.room(name, id=number), number=number, came=True))
    return Room.objects.get(sirvoy_id=number)


def page(of_room: Room) -> str:
    return reverse("admin:bookings_room_change", args=[of_room.pk])


def say(client: Client, of_room: Room, **fields: str) -> str:
    url = reverse("admin:bookings_room_pitch", args=[of_room.pk])
    return client.post(url, fields, follow=True).content.decode()


def test_the_list_tells_which_pitch_each_room_is_and_how_that_is_known(viewer):
    make.pitch("101")
    room("101", 1)
    unknown, said = room("Tent by the lake", 2), room("F 44 (new)", 3)
    Room.objects.filter(pk=said.pk).update(pitch=make.pitch("F44"), is_set_by_staff=True)
    html = viewer.get(ROOMS).content.decode()
    for text in ("Tent by the lake", "F44", "by its name", "said by staff", "no pitch"):
        assert text in html
    assert [row.pk for row in viewer.get(ROOMS, {"how": "none"}).context["cl"].queryset] == [unknown.pk]
    assert [row.pk for row in viewer.get(ROOMS, {"how": "staff"}).context["cl"].queryset] == [said.pk]
    assert viewer.get(ROOMS, {"how": "name"}).context["cl"].result_count == 1
    assert viewer.get(ROOMS, {"how": "x"}).context["cl"].result_count == 3


@pytest.mark.parametrize("words", ["lake", "7902", "F44"])
def test_a_room_is_found_by_its_name_its_number_and_its_pitch(viewer, words):
    found = room("Tent by the lake", 7902)
    Room.objects.filter(pk=found.pk).update(pitch=make.pitch("F44"))
    room("other", 1)
    assert [row.pk for row in viewer.get(ROOMS, {"q": words}).context["cl"].queryset] == [found.pk]


def test_the_list_takes_as_many_queries_for_many_as_for_one(viewer):
    counts = []
    for number in range(1, 5):
        room(f"room {number}", number)
        with CaptureQueriesContext(connection) as queries:
            viewer.get(ROOMS)
        counts.append(len(queries))
    assert counts[1] == counts[-1] <= 12


def test_saying_which_pitch_a_room_is_places_its_guests(reception, django_capture_on_commit_callbacks):
    pitch, found = make.pitch("F44"), room("Tent by the lake")
    with django_capture_on_commit_callbacks(execute=True):
        html = say(reception, found, pitch=" f44 ")
    assert "“Tent by the lake” is pitch F44." in html
    found.refresh_from_db()
    assert (found.pitch, found.is_set_by_staff, found.set_by.username) == (pitch, True, "one of reception")
    assert Booking.objects.get().stays.get().pitch == pitch
    assert LogEntry.objects.get_for_object(found).get().actor.username == "one of reception"


def test_what_staff_said_is_taken_back_and_the_name_decides_again(reception):
    own, other = make.pitch("101"), make.pitch("102")
    found = room("101")
    say(reception, found, pitch="102")
    assert Room.objects.get().pitch == other
    assert "is pitch 101 again, by its name" in say(reception, found, back="1")
    assert (Room.objects.get().pitch, Room.objects.get().is_set_by_staff) == (own, False)
    say(reception, found, pitch="102")
    Room.objects.update(name="Tent")
    assert "no pitch again" in say(reception, found, back="1")


@pytest.mark.parametrize(("told", "why"), [("", "required"), ("999", "There is no pitch “999”.")])
def test_what_is_no_pitch_changes_nothing_and_says_why(reception, told, why):
    found = room("Tent")
    assert why in say(reception, found, pitch=told)
    assert not Room.objects.get().is_set_by_staff


def test_who_may_only_look_says_nothing(viewer):
    make.pitch("F44")
    found = room("Tent")
    html = viewer.get(page(found)).content.decode()
    assert "Tent" in html
    assert reverse("admin:bookings_room_pitch", args=[found.pk]) not in html
    assert viewer.post(reverse("admin:bookings_room_pitch", args=[found.pk]), {"pitch": "F44"}).status_code == 403
    assert Room.objects.get().pitch is None


def test_a_room_is_nobodys_to_edit_or_delete_and_a_get_says_nothing(reception):
    found = room("Tent")
    assert reception.post(page(found), {"name": "mine"}).status_code == 403
    assert reception.post(reverse("admin:bookings_room_delete", args=[found.pk])).status_code == 403
    assert reception.get(reverse("admin:bookings_room_add")).status_code == 403
    assert reception.get(reverse("admin:bookings_room_pitch", args=[found.pk])).status_code == 405


def test_its_page_and_its_history_tell_who_said_it(reception):
    make.pitch("F44")
    found = room("Tent")
    say(reception, found, pitch="F44")
    html = reception.get(page(found)).content.decode()
    assert "Tent" in html
    assert "one of reception" in html
    history = reception.get(reverse("admin:bookings_room_history", args=[found.pk])).content.decode()
    assert "one of reception" in history
    assert "F44" in history


def test_guests_who_are_here_or_come_are_counted(viewer):
    found = room("Tent", 1)
    assert viewer.get(ROOMS).context["cl"].queryset.get().guests_now == 1
    Stay.objects.update(status=Stay.Status.LEFT)
    assert viewer.get(ROOMS).context["cl"].queryset.get(pk=found.pk).guests_now == 0


def test_the_menu_leads_there(reception):
    assert f'href="{ROOMS}"' in reception.get(reverse("admin:index")).content.decode()


def test_a_name_with_signs_is_escaped(reception):
    found = room("<b>Tent</b>")
    assert "<b>Tent</b>" not in reception.get(page(found)).content.decode()
    assert "<b>Tent</b>" not in say(reception, found, pitch="<i>x</i>")
