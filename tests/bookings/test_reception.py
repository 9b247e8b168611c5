"""Reception's pages: what they show and to whom, what each action does, and in how many queries."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from bookings.models import Booking, Charge, Correction, PackageNotice, PackageSale, PortalLink, Room, Stay, StayMeter
from bookings.power import follow
from bookings.reception import search
from meters.models import Installation, Meter, Pitch, Source, Want
from tests import make

pytestmark = pytest.mark.django_db
HOME = reverse("reception")
Status = Stay.Status


def of(user: User) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def may(*codenames: str) -> Client:
    user = make.staff("-".join(codenames) or "nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_stay", "view_guest", *codenames)))
    return of(user)


@pytest.fixture
def reception() -> Client:
    user = make.staff()
    user.groups.add(Group.objects.get(name="reception"))
    return of(user)


def settled(number: str = "101", *, relay: bool = True) -> tuple[Stay, Meter]:
    """A guest who is here, on a pitch with a meter that counts for him."""
    pitch, meter = make.pitch(number), make.switchable(f"{number},1", relay=relay)
    make.installed(meter, pitch)
    booking = make.booking(rooms=[{"room_id": 1, "name": number, "arrival": None, "departure": None, "adults": 2}])
    room = Room.objects.create(sirvoy_id=booking.pk * 1000 + 1, name=number, pitch=pitch, named_at=timezone.now())
    Booking.objects.filter(pk=booking.pk).update(
        rooms=[
            {
                "room_id": room.sirvoy_id,
                "name": number,
                "arrival": booking.arrival.isoformat(),
                "departure": booking.departure.isoformat(),
                "adults": 2,
            }
        ]
    )
    booking.refresh_from_db()
    make.guest(booking)
    stay = make.stay(pitch, booking=booking, room=room, began_at=timezone.now() - timedelta(hours=2))
    make.line(stay, meter, pitch=pitch)
    return stay, meter


def sheet(stay: Stay) -> str:
    return reverse("reception_booking", args=[stay.booking.sirvoy_id])


def act(client: Client, stay: Stay, verb: str, **typed: object) -> list[str]:
    """Does it, and returns what was told."""
    answer = client.post(reverse("reception_stay", args=[stay.pk, verb]), typed | {"sure": "1"}, follow=True)
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


def settle(client: Client, stay: Stay, verb: str, **typed: object) -> list[str]:
    answer = client.post(reverse("reception_verb", args=[stay.booking_id, verb]), typed | {"sure": "1"}, follow=True)
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


# --- who may ---------------------------------------------------------------------------------------------------------


def test_only_staff_who_may_see_guests_see_the_pages():
    stay, _meter = settled()
    for url in (HOME, reverse("reception_search"), sheet(stay)):
        assert Client().get(url).status_code == 302
        assert of(make.staff(url)).get(url).status_code == 403
    assert may().get(HOME).status_code == 200


@pytest.mark.parametrize(
    ("verb", "codename"),
    [
        ("move", "change_stay"),
        ("add", "change_stay"),
        ("take", "change_stay"),
        ("exchange", "change_stay"),
        ("late", "change_stay"),
        ("check-out", "change_stay"),
        ("reopen", "change_stay"),
        ("on", "switch_meter"),
        ("off", "switch_meter"),
        ("let-go", "switch_meter"),
        ("correct", "add_correction"),
        ("revoke", "add_portallink"),
    ],
)
def test_each_action_on_a_stay_needs_its_permission(verb, codename):
    stay, _meter = settled()
    url = reverse("reception_stay", args=[stay.pk, verb])
    assert may().post(url).status_code == 403
    assert may(codename).post(url, {"sure": "1"}).status_code == 302
    assert may(codename, "x").get(url).status_code == 405
    assert Client().post(url).headers["Location"].startswith("/admin/login/")


def test_each_action_on_a_booking_needs_its_permission():
    stay, _meter = settled()
    of_booking = {"sell": "add_packagesale", "charge": "add_charge", "take-back": "add_charge"}
    for verb, codename in (of_booking | {"language": "change_guest"}).items():
        url = reverse("reception_verb", args=[stay.booking_id, verb])
        assert may(verb).post(url).status_code == 403
        assert may(verb, codename).post(url, {"sure": "1"}).status_code == 302
    assert may("z").post(reverse("reception_card", args=[stay.pk])).status_code == 403


def test_who_may_only_look_sees_no_buttons():
    stay, _meter = settled()
    shown = may().get(sheet(stay)).content.decode()
    assert "Anna Müller" in shown
    assert 'action="/admin/reception/stay/' not in shown


def test_unknown_verbs_stays_and_bookings_are_not_found(reception):
    stay, _meter = settled()
    assert reception.post(reverse("reception_stay", args=[stay.pk, "burn"])).status_code == 404
    assert reception.post(reverse("reception_stay", args=[stay.pk + 1, "reopen"])).status_code == 404
    assert reception.get(reverse("reception_booking", args=[999])).status_code == 404


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("verb", "typed", "rows"),
    [
        ("sell", {"kwh": "10", "price": "45", "note": "cash"}, PackageSale),
        ("correct", {"kwh": "2.5", "reason": "the neighbour's heater"}, Correction),
    ],
)
def test_of_two_presses_at_the_same_moment_one_counts(reception, verb, typed, rows):
    stay, _meter = settled()
    is_booking = verb == "sell"
    url = reverse(
        "reception_verb" if is_booking else "reception_stay", args=[stay.booking_id if is_booking else stay.pk, verb]
    )
    clients = [of(User.objects.get(username="reception")) for _ in range(2)]

    def press(client: Client) -> int:
        try:
            return client.post(url, typed).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(press, clients)) == [302, 302]
    assert rows.objects.count() == 1


# --- finding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["7a", " 7 A", "seven", "müll", "Anna mul", "ANNA", "XY 12-345", "xy12345", "lind"])
def test_one_field_finds_by_pitch_alias_name_and_plate(text):
    pitch = make.pitch("7A", aliases=["Seven"])
    booking = make.booking()
    make.guest(booking, plates="XY-12 345", room_guests=[{"name": "Åse Lindström", "comment": ""}])
    make.stay(pitch, booking=booking)
    other = make.booking()
    make.guest(other, first_name="Bo", last_name="Berg")
    make.stay(make.pitch("8"), booking=other)
    assert [hit.number for hit in search.find(text)] == [booking.sirvoy_id]


def test_it_finds_by_booking_number_and_accents_do_not_count():
    booking = make.booking()
    make.guest(booking, first_name="Jørgen", last_name="Łąkowski", room_guests=[{"name": "Åse", "comment": "gate"}])
    make.stay(make.pitch("8"), booking=booking)
    for text in (str(booking.sirvoy_id), "jorgen", "ase"):
        assert [hit.number for hit in search.find(text)] == [booking.sirvoy_id], text
    assert not search.find("comment")
    assert not search.find("gate")


def test_who_is_here_comes_before_who_was_and_who_will_be():
    pitch, today = make.pitch("5"), timezone.localdate()
    left = make.stay(pitch, booking=make.booking(), status=Status.LEFT)
    coming = make.stay(pitch, booking=make.booking(arrival=today), status=Status.EXPECTED)
    here = make.stay(pitch, booking=make.booking())
    found = [hit.number for hit in search.find("5")]
    assert found == [each.booking.sirvoy_id for each in (here, coming, left)]


def test_an_empty_pitch_is_found_too_and_nonsense_is_not():
    make.pitch("5")
    (hit,) = search.find("5")
    assert (hit.number, hit.pitches) == (None, ("5",))
    for text in ("", " ", "\x00", "9" * 70, "a", "%", "'", "🏕", "٣"):
        assert search.find(text) == []


def test_the_only_hit_is_opened_at_once_and_several_are_listed(reception):
    stay, _meter = settled()
    assert reception.get(HOME, {"q": "101"}).headers["Location"] == sheet(stay)
    other, _meter = settled("102")
    make.guest(make.booking())
    shown = reception.get(HOME, {"q": "Anna"}).content.decode()
    assert sheet(stay) in shown
    assert sheet(other) in shown
    assert "Nobody was found" in reception.get(reverse("reception_search"), {"q": "<b>x"}).content.decode()


# --- the first page --------------------------------------------------------------------------------------------------


def test_a_check_in_whose_power_did_not_come_on_stands_at_the_top_until_it_did(reception):
    stay, meter = settled(relay=False)
    make.want(meter, True, Source.POLICY, ago_s=300, until=timezone.now() + timedelta(hours=1), hold="unasked_off")
    shown = reception.get(HOME).content.decode()
    assert "the power is not on" in shown
    assert "breaker tripped" in shown
    assert shown.index("the power is not on") < shown.index("Arrivals today")
    meter.state.relay = True
    meter.state.save()
    shown = reception.get(HOME).content.decode()
    assert "the power is not on" not in shown
    assert "Nothing is to be solved" in shown
    assert sheet(stay) not in shown.partition("Arrivals today")[0]


@pytest.mark.parametrize(("count", "alone", "alike"), [(3, 4, []), (4, 1, [4])])
def test_what_one_act_ends_for_many_guests_is_one_line_that_tells_how_many(reception, count, alone, alike):
    until = timezone.now() + timedelta(hours=1)
    for number in range(count + 1):
        _stay, meter = settled(str(number), relay=False)
        make.want(meter, True, Source.POLICY, ago_s=300, until=until, hold="observe" if number else "unasked_off")
    answer = reception.get(HOME)
    desk, shown = answer.context["desk"], answer.content.decode()
    assert (len(desk.troubles), [len(many) for many in desk.alike]) == (alone, alike)
    assert f"To be solved <b>{count + 1}</b>" in shown
    assert shown.count("Its area only observes") == count + len(alike)
    assert shown.count('<details class="many"') == len(alike)


def test_an_unknown_room_is_said_to_be_a_pitch_with_one_click(reception, django_capture_on_commit_callbacks):
    pitch = make.pitch("12")
    now = timezone.now()
    room = Room.objects.create(sirvoy_id=5, name="Plads 12 (sø)", named_at=now)
    today = timezone.localdate()
    told = {"room_id": 5, "name": room.name, "arrival": f"{today}", "departure": f"{today + timedelta(days=2)}"}
    booking = make.booking(arrival=today, departure=today + timedelta(days=2), rooms=[told | {"adults": 2}])
    stay = make.stay(None, booking=booking, room=room, unclear=Stay.Unclear.UNKNOWN_ROOM)
    shown = reception.get(HOME)
    assert shown.context["desk"].unclear[0].suggested == pitch
    with django_capture_on_commit_callbacks(execute=True):
        reception.post(reverse("reception_room", args=[room.pk]), {"pitch": "12"})
    stay.refresh_from_db()
    room.refresh_from_db()
    assert (room.pitch, room.is_set_by_staff) == (pitch, True)
    assert (stay.pitch, stay.unclear) == (pitch, "")


def test_a_pitch_that_is_not_there_is_refused_in_words(reception):
    room = Room.objects.create(sirvoy_id=5, name="X", named_at=timezone.now())
    answer = reception.post(reverse("reception_room", args=[room.pk]), {"pitch": "<999>"}, follow=True)
    assert "There is no pitch" in str(next(iter(answer.context["messages"])))
    assert "<999>" not in answer.content.decode()


def test_arrivals_and_departures_of_today_with_kwh_amount_and_the_button(reception):
    make.tariff()
    today = timezone.localdate()
    leaves = make.stay(make.pitch("1"), booking=make.booking(departure=today))
    make.used(leaves, "10")
    comes = make.stay(make.pitch("2"), booking=make.booking(arrival=today), status=Status.EXPECTED)
    shown = reception.get(HOME).content.decode()
    assert "45.00" in shown
    assert str(comes.booking.sirvoy_id) in shown
    reception.post(reverse("reception_verb", args=[leaves.booking_id, "charge"]), {"expected": "45.00", "home": "1"})
    assert Charge.objects.get().amount == Decimal("45.00")
    assert "I have typed it into Sirvoy" not in reception.get(HOME).content.decode()


def test_an_amount_that_has_changed_meanwhile_is_not_noted(reception):
    make.tariff()
    stay, _meter = settled()
    make.used(stay, "10")
    (told,) = settle(reception, stay, "charge", expected="1.00")
    assert "Meanwhile" in told
    assert not Charge.objects.exists()


def test_a_guest_who_is_to_be_told_is_ticked_off(reception):
    stay, _meter = settled()
    notice = PackageNotice.objects.create(booking=stay.booking, level="low", found_at=timezone.now())
    assert "The guest was told" in reception.get(HOME).content.decode()
    reception.post(reverse("reception_told", args=[notice.pk]))
    notice.refresh_from_db()
    assert (notice.how, bool(notice.told_at)) == ("staff", True)


# --- a booking's page ------------------------------------------------------------------------------------------------


def test_a_booking_shows_guest_meter_power_and_why(reception):
    stay, meter = settled()
    meter.state.power_w, meter.state.power_at = 432, timezone.now()
    meter.state.save()
    make.want(meter, True, Source.POLICY, until=timezone.now() + timedelta(hours=1))
    shown = reception.get(sheet(stay)).content.decode()
    for text in ("Anna Müller", "Pitch 101", "432 W", "should be on", "a guest is here", "just now", "101,1"):
        assert text in shown, text


def test_what_a_guest_wrote_is_escaped(reception):
    stay, _meter = settled()
    stay.booking.guest.message = stay.booking.guest.last_name = "<script>alert(1)</script>"
    stay.booking.guest.save()
    for url in (HOME, sheet(stay), f"{reverse('reception_search')}?q=anna"):
        assert "<script>alert" not in reception.get(url).content.decode()


def test_a_guest_is_moved_by_hand(reception):
    stay, _meter = settled()
    make.pitch("102")
    assert "102" in act(reception, stay, "move", pitch="102")[0]
    stay.refresh_from_db()
    assert (stay.pitch.number, stay.booked_pitch.number) == ("102", "101")


def test_a_pitch_with_another_guest_is_refused_with_his_number(reception):
    stay, _meter = settled()
    other, _meter = settled("102")
    other.departure = timezone.localdate() + timedelta(days=3)
    other.save()
    (told,) = act(reception, stay, "add", number="102")
    assert f'href="{sheet(other)}">{other.booking}</a>' in told
    assert StayMeter.objects.filter(stay=stay).count() == 1


def test_an_outlet_is_added_by_its_number_and_taken_away(reception):
    stay, _meter = settled()
    extra = make.switchable("9,2")
    act(reception, stay, "add", number="9,2")
    line = StayMeter.objects.get(meter=extra)
    assert (line.stay, line.end) == (stay, None)
    act(reception, stay, "take", meter=extra.pk)
    assert not StayMeter.objects.filter(meter=extra, period__upper_inf=True).exists()


def test_power_is_switched_by_hand_with_reason_and_end_and_let_go(reception):
    stay, meter = settled()
    until = timezone.localtime() + timedelta(hours=2)
    act(reception, stay, "off", meter=meter.pk, reason="fire", until=f"{until:%Y-%m-%dT%H:%M}")
    want = Want.objects.get(source=Source.STAFF)
    assert (want.state, want.reason, want.by.username) == (False, "fire", "reception")
    assert abs(want.until - until) < timedelta(minutes=1)
    assert "by hand: fire" in reception.get(sheet(stay)).content.decode()
    act(reception, stay, "let-go", meter=meter.pk)
    want.refresh_from_db()
    assert want.ended_at


def test_power_that_did_not_come_on_is_switched_on_with_one_click_until_check_out_time(reception):
    stay, meter = settled(relay=False)
    follow.apply([meter.pk], timezone.now())
    ends = f"{timezone.localtime(follow.decisions([meter.pk], timezone.now())[meter.pk].until):%Y-%m-%dT%H:%M}"
    assert f'name="until" value="{ends}"' in reception.get(sheet(stay)).content.decode()
    act(reception, stay, "on", meter=meter.pk, until=ends)
    want = Want.objects.get(source=Source.STAFF)
    assert (want.state, f"{timezone.localtime(want.until):%Y-%m-%dT%H:%M}") == (True, ends)


def test_cutting_an_occupied_pitch_needs_a_reason(reception):
    stay, meter = settled()
    Pitch.objects.update(occupied_until=timezone.now() + timedelta(days=1))
    act(reception, stay, "off", meter=meter.pk)
    assert not Want.objects.exists()


def test_a_meter_is_exchanged_in_mid_stay(reception):
    stay, meter = settled()
    new = make.switchable("new")
    act(reception, stay, "exchange", meter=meter.pk, new=new.pk, reason="burnt")
    assert Installation.objects.get(period__upper_inf=True).meter == new
    assert StayMeter.objects.get(period__upper_inf=True).meter == new


def test_a_late_check_out_is_noted_and_taken_back(reception):
    stay, _meter = settled()
    until = timezone.localtime() + timedelta(days=1)
    act(reception, stay, "late", until=f"{until:%Y-%m-%dT%H:%M}")
    stay.refresh_from_db()
    assert abs(stay.late_until - until) < timedelta(minutes=1)
    act(reception, stay, "late", until="")
    stay.refresh_from_db()
    assert stay.late_until is None


def test_a_guest_is_checked_out_by_hand_and_taken_back(reception):
    stay, _meter = settled()
    act(reception, stay, "check-out")
    stay.refresh_from_db()
    assert stay.status == Status.LEFT
    assert "Take the check-out back" in reception.get(sheet(stay)).content.decode()
    act(reception, stay, "reopen")
    stay.refresh_from_db()
    assert stay.status == Status.IN_HOUSE


def test_kwh_are_corrected_with_a_reason_and_a_danish_comma():
    user = make.superuser()
    client = Client(headers={"accept-language": "da"})
    client.force_login(user)
    stay, _meter = settled()
    act(client, stay, "correct", kwh="2,5", reason="display read")
    made = Correction.objects.get()
    assert (made.energy_kwh, made.reason, made.by) == (Decimal("2.500"), "display read", user)
    assert act(client, stay, "correct", kwh="-99", reason="x")
    assert Correction.objects.count() == 1


def test_a_package_is_sold(reception):
    make.tariff()
    stay, _meter = settled()
    settle(reception, stay, "sell", kwh="20", price="80", note="cash")
    made = PackageSale.objects.get()
    assert (made.energy_kwh, made.price, made.reason) == (20, 80, "cash")


def test_the_language_is_noted(reception):
    stay, _meter = settled()
    settle(reception, stay, "language", language="sv")
    stay.booking.guest.refresh_from_db()
    assert stay.booking.guest.spoken == "sv"
    settle(reception, stay, "language", language="xx")
    stay.booking.guest.refresh_from_db()
    assert stay.booking.guest.spoken == "sv"


def test_the_card_shows_the_link_once_as_qr_in_the_guests_language(reception):
    stay, _meter = settled()
    answer = reception.post(reverse("reception_card", args=[stay.pk]))
    shown = answer.content.decode()
    assert "<svg" in shown
    assert 'lang="de"' in shown
    assert "http://testserver/p/" in shown
    assert "no-store" in answer.headers["Cache-Control"]
    assert PortalLink.objects.get().made_by.username == "reception"


# --- cost ------------------------------------------------------------------------------------------------------------


def queries(client: Client, url: str) -> int:
    client.get(url)
    with CaptureQueriesContext(
        connection,
    ) as caught:
        client.get(url)
    return len(caught)


def test_the_pages_cost_as_many_queries_with_one_guest_as_with_many(reception):
    make.tariff()
    today = timezone.localdate()
    stay, _meter = settled("1")
    Stay.objects.update(departure=today)
    home, one = queries(reception, HOME), queries(reception, sheet(stay))
    for number in range(2, 8):
        settled(str(number), relay=number % 2 == 0)
    Stay.objects.update(departure=today)
    assert queries(reception, HOME) <= home + 1
    for number in range(8, 11):
        extra = make.switchable(f"x{number}")
        make.line(stay, extra)
        make.stay(make.pitch(f"p{number}"), booking=stay.booking)
    assert queries(reception, sheet(stay)) <= one + 1
    assert home < 60
    assert one < 50


# --- refused, and tried again ----------------------------------------------------------------------------------------


def test_what_was_refused_is_told_to_the_next_page_once(reception):
    stay, _meter = settled()
    reception.post(reverse("reception_stay", args=[stay.pk, "add"]), {"number": "<99>"})
    shown = reception.get(sheet(stay)).content.decode()
    assert '<script id="typed" type="application/json">' in shown
    assert "\\u003C99\\u003E" in shown
    assert 'id="typed"' not in reception.get(sheet(stay)).content.decode()


@pytest.mark.django_db(transaction=True)
def test_who_meets_somebody_else_at_work_is_told_to_try_again():
    client = Client(headers={"accept-language": "en"})
    client.force_login(make.superuser())
    stay, _meter = settled()
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM bookings_booking WHERE id = %s FOR UPDATE", [stay.booking_id])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        (told,) = act(client, stay, "check-out")
    finally:
        other.close()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
    assert "try once more" in told
    assert Stay.objects.get(pk=stay.pk).status == Stay.Status.IN_HOUSE


# --- asked once more -------------------------------------------------------------------------------------------------


def test_what_cuts_is_asked_once_more_also_without_a_script(reception):
    stay, meter = settled()
    address = reverse("reception_stay", args=[stay.pk, "off"])
    said = {"meter": meter.pk, "reason": "<Water>", "until": ""}
    shown = reception.post(address, said).content.decode()
    assert f"The power of {meter} goes off now." in shown
    assert 'name="reason" value="&lt;Water&gt;"' in shown
    assert not Want.objects.filter(source=Source.STAFF).exists()
    assert reception.post(address, said | {"sure": "1"}).status_code == 302
    assert Want.objects.get(source=Source.STAFF).reason == "<Water>"


@pytest.mark.parametrize("verb", ["take", "exchange", "check-out", "revoke"])
def test_so_is_what_is_not_easily_undone(reception, verb):
    stay, meter = settled()
    new = make.meter("new")
    said = {"meter": meter.pk, "new": new.pk, "reason": "broken"}
    answer = reception.post(reverse("reception_stay", args=[stay.pk, verb]), said)
    assert answer.status_code == 200
    assert 'name="sure"' in answer.content.decode()
    assert StayMeter.objects.get(period__upper_inf=True).meter == meter
    assert Stay.objects.get(pk=stay.pk).status == Stay.Status.IN_HOUSE
