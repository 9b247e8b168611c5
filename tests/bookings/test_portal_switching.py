"""A guest puts his power off and on: by the same commands and proofs, and only where the policy has it on."""

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.core.cache import cache
from django.utils import timezone

from bookings import accounts
from bookings.models import PackageNotice, Stay, StayMeter
from bookings.power import follow
from meters import commands
from meters.models import Area, Command, Meter, MeterState, Pitch, Source, Want
from tests import make
from tests.bookings.guest import enter, page, post, read

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def camper(*, relay: bool = True, area: Area | None = None, **pitch: object) -> tuple[Stay, Meter]:
    """A guest whose power is on by the policy."""
    stay = make.stay(make.pitch("101", **pitch), began_at=timezone.now() - HOUR)
    make.guest(stay.booking, language="en")
    meter = make.switchable("101,1", relay=relay, area=area)
    make.installed(meter, stay.pitch)
    make.line(stay, meter, pitch=stay.pitch)
    follow.apply([meter.pk], timezone.now())
    return stay, meter


def press(stay: Stay, meter: Meter, state: str):
    return post(enter(stay), "portal-switch", meter=str(meter.pk), state=state)


def wanted(meter: Meter) -> tuple[str, bool] | None:
    want = commands.in_force([meter.pk], timezone.now()).get(meter.pk)
    return (want.source, want.state) if want else None


def newest(meter: Meter) -> Command:
    return Command.objects.filter(meter=meter).latest("pk")


@pytest.mark.parametrize("control", [Area.Control.ACT, Area.Control.OBSERVE])
def test_off_is_his_wish_and_on_ends_it_and_is_tried_at_once(control: str) -> None:
    stay, meter = camper(area=make.area(control=control))
    assert 'value="off"' in page(enter(stay))
    answer = press(stay, meter, "off")
    assert (answer.status_code, answer["Location"]) == (303, "/stay/")
    assert wanted(meter) == (Source.GUEST, False)
    assert (newest(meter).state, newest(meter).automatic) == (False, False)
    MeterState.objects.update(relay=False)
    assert 'value="on"' in page(enter(stay))
    assert press(stay, meter, "on").status_code == 303
    assert wanted(meter) == (Source.POLICY, True)
    assert (newest(meter).state, newest(meter).automatic) == (True, False)
    entries = LogEntry.objects.get_for_object(meter).filter(actor=None)
    assert any(entry.changes.get("source") == ["", "guest"] for entry in entries)


def test_what_went_off_by_itself_is_switched_on_again_by_him() -> None:
    stay, meter = camper(relay=False)
    Want.objects.update(hold="unasked_off")
    assert press(stay, meter, "on").status_code == 303
    assert newest(meter).state is True
    assert not Want.objects.exclude(hold="").exists()


def test_while_it_is_under_way_the_page_says_so_and_looks_again() -> None:
    stay, meter = camper()
    press(stay, meter, "off")
    assert 'http-equiv="refresh"' in page(enter(stay))
    meter.device.available = False
    meter.device.save()
    shown = page(enter(stay))
    assert "It is switched off as soon as the outlet is heard" in shown
    assert 'http-equiv="refresh"' not in shown
    Command.objects.update(status=Command.Status.SENT, claimed_at=timezone.now(), sent_at=timezone.now())
    shown = page(enter(stay))
    assert "being switched off; the outlet has not confirmed it yet" in shown
    assert 'http-equiv="refresh"' in shown
    Command.objects.update(status=Command.Status.FAILED)
    shown = page(enter(stay))
    assert "Switching off did not succeed" in shown
    assert 'http-equiv="refresh"' not in shown
    Command.objects.update(created_at=timezone.now() - 2 * HOUR)
    assert "did not succeed" not in page(enter(stay))


@pytest.mark.parametrize(
    ("state", "words"), [(True, "Reception has switched it on"), (False, "Reception has switched it off")]
)
def test_what_staff_want_stands_above_him(state: bool, words: str) -> None:
    stay, meter = camper()
    make.want(meter, state, Source.STAFF)
    for to in ("on", "off"):
        answer = press(stay, meter, to)
        assert answer.status_code == 422
        assert words in read(answer)
    assert wanted(meter) == (Source.STAFF, state)
    assert "portal-switch" not in page(enter(stay))
    assert 'name="state"' not in page(enter(stay))


@pytest.mark.parametrize("policy", [Pitch.Policy.MANUAL])
def test_what_only_reception_switches(policy: str) -> None:
    stay, meter = camper(policy=policy)
    assert "switched by reception alone" in press(stay, meter, "off").content.decode()
    assert not Command.objects.exists()


def test_a_used_up_package_says_what_to_do() -> None:
    stay, meter = camper(relay=False)
    make.tariff(mode="package", cut_when_empty=True, grace_h=0)
    make.used(stay, "1")
    told = {"found_at": timezone.now() - 40 * HOUR, "told_at": timezone.now() - 40 * HOUR}
    PackageNotice.objects.create(booking=stay.booking, level=PackageNotice.Level.EMPTY, **told)
    assert accounts.power_facts([stay.booking_id], timezone.now())[stay.booking_id].is_empty
    Want.objects.filter(source=Source.POLICY).update(state=False)
    answer = press(stay, meter, "on")
    assert answer.status_code == 422
    assert "Buy more at reception" in read(answer)
    assert not Command.objects.filter(state=True).exists()


@pytest.mark.parametrize("status", [Stay.Status.EXPECTED, Stay.Status.LEFT])
def test_never_before_check_in_nor_after_departure(status: str) -> None:
    stay, meter = camper()
    browser = enter(stay)
    Stay.objects.update(status=status, ended_at=timezone.now() if status == Stay.Status.LEFT else None)
    answer = post(browser, "portal-switch", meter=str(meter.pk), state="on")
    assert answer.status_code == 422
    assert "from check-in until check-out" in read(answer)
    assert not Command.objects.exists()


def test_another_guests_outlet_is_not_his() -> None:
    stay, _meter = camper()
    others = make.switchable("102,1")
    make.line(make.stay(make.pitch("102")), others)
    for number in (str(others.pk), "999999", "", "x", "9" * 30, "²"):
        cache.clear()
        answer = post(enter(stay), "portal-switch", meter=number, state="off")
        assert answer.status_code == 422
        assert "not yours any more" in read(answer)
    assert post(enter(stay), "portal-switch", meter=str(_meter.pk), state="burn").status_code == 422
    assert not Command.objects.exists()


def test_his_wish_ends_with_his_stay_and_the_next_guest_has_power() -> None:
    stay, meter = camper()
    press(stay, meter, "off")
    line = StayMeter.objects.get()
    now = timezone.now()
    line.period = type(line.period)(line.period.lower, now)
    line.end, line.ended_by = make.snapshot(meter, now), StayMeter.Reason.CHECK_OUT
    line.save()
    Stay.objects.update(status=Stay.Status.LEFT, ended_at=now)
    other = make.stay(stay.pitch)
    make.line(other, meter, pitch=stay.pitch, since=now)
    follow.apply([meter.pk], timezone.now())
    assert wanted(meter) == (Source.POLICY, True)
    assert not Want.objects.filter(source=Source.GUEST, ended_at=None).exists()


def test_his_wish_lasts_while_he_is_here() -> None:
    stay, meter = camper()
    press(stay, meter, "off")
    follow.apply(None, timezone.now())
    follow.apply([meter.pk], timezone.now())
    assert wanted(meter) == (Source.GUEST, False)


def test_who_switches_often_waits(settings) -> None:
    settings.PORTAL_SWITCHES_A_MINUTE = 2
    stay, meter = camper()
    answers = [press(stay, meter, state) for state in ("off", "on", "off", "off")]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert "Wait a moment" in answers[-1].content.decode()
    assert press(stay, meter, "on").status_code == 303, "nobody is left in the dark because he switched off often"
    assert wanted(meter) == (Source.POLICY, True)
