"""The admin's page on which a broken meter is exchanged for another one."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from meters import installations
from meters.models import Installation, Meter
from tests import make

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)
ENGLISH = {"accept-language": "en"}


@pytest.fixture
def chief() -> Client:
    client = Client(headers=ENGLISH)
    client.force_login(make.superuser())
    return client


@pytest.fixture
def old() -> Meter:
    """A meter that has hung on 101 for a day."""
    meter = make.meter("old", area=make.area())
    make.installed(meter, make.pitch("101"), NOW - timedelta(days=1))
    return meter


def address(meter: Meter) -> str:
    return reverse("admin:meters_meter_exchange", args=[meter.pk])


def card(meter: Meter) -> str:
    return reverse("admin:meters_meter_change", args=[meter.pk])


def exchange(client: Client, old: Meter, new: Meter, at: Any = NOW, **options: Any) -> Any:
    local = timezone.localtime(at)
    form = {"new": new.pk, "at_0": f"{local:%Y-%m-%d}", "at_1": f"{local:%H:%M:%S}"}
    return client.post(address(old), form, **options)


def periods(meter: Meter) -> list[tuple[Any, ...]]:
    rows = Installation.objects.filter(meter=meter).order_by("period")
    return [(row.pitch.number, row.period.lower, row.period.upper) for row in rows]


def errors(answer: Any) -> dict[str, list[str]]:
    assert answer.status_code == 200
    return answer.context["form"].errors


# --- the way there ---------------------------------------------------------------------------------------------------


def test_a_meter_that_hangs_on_a_pitch_leads_to_its_exchange(chief, old):
    assert f'href="{address(old)}"' in chief.get(card(old)).content.decode()


def test_the_words_of_the_days_picker_are_there_before_it(chief, old):
    make.meter()
    html = chief.get(address(old)).content.decode()
    assert 0 < html.index(reverse("admin:jsi18n")) < html.index("calendar.js")


def test_a_meter_that_hangs_nowhere_does_not(chief):
    meter = make.meter()
    assert address(meter) not in chief.get(card(meter)).content.decode()
    answer = chief.get(address(meter), follow=True)
    assert answer.redirect_chain == [(card(meter), 302)]
    assert "The meter hangs on no pitch." in answer.content.decode()


def test_free_meters_are_offered_the_newest_first(chief, old):
    free = [make.meter(name, area=make.area(f"{name}'s area")) for name in ("first", "second")]
    make.meter("removed", removed_at=NOW)
    make.installed(make.meter("hanging"), make.pitch())
    make.installed(free[0], make.pitch(), NOW - timedelta(days=9), NOW - timedelta(days=2))
    choices = list(chief.get(address(old)).context["form"].fields["new"].choices)[1:]
    assert [str(label).split(" · ")[:2] for _, label in choices] == [
        ["second", "second's area"],
        ["first", "first's area"],
    ]


def test_the_time_is_now_in_whole_seconds_unless_told_otherwise(chief, old):
    make.meter()
    at = chief.get(address(old)).context["form"]["at"].initial
    assert (at.microsecond, abs(at - timezone.now()) < timedelta(minutes=1)) == (0, True)


def test_looking_at_the_page_changes_nothing(chief, old):
    make.meter()
    chief.get(address(old))
    assert Installation.objects.count() == 1


def test_where_no_meter_is_free_the_page_says_what_to_do_and_looks_again_by_itself(chief, old):
    answer = chief.get(address(old))
    html = answer.content.decode()
    assert "Pair the new meter first; it appears here by itself." in html
    assert 'name="at_0"' not in html
    assert answer.headers["Refresh"].endswith(address(old))
    assert f'action="/admin/meters/area/{old.device.area_id}/ask/open/"' in html
    make.meter()
    assert "Refresh" not in chief.get(address(old)).headers


def test_the_page_asks_as_many_queries_for_50_free_meters_as_for_2(chief, old, django_assert_max_num_queries):
    def free(count: int) -> None:
        for _ in range(count):
            make.meter(area=make.area())

    free(2)
    chief.get(address(old))  # fills caches
    with django_assert_max_num_queries(20) as few:
        chief.get(address(old))
    free(48)
    with django_assert_max_num_queries(20) as many:
        chief.get(address(old))
    assert len(many) == len(few) <= 10


# --- the exchange ----------------------------------------------------------------------------------------------------


def test_the_new_meter_takes_the_place_of_the_old_one_at_the_same_moment(chief, old):
    new, at = make.meter("new"), NOW - timedelta(hours=1)
    answer = exchange(chief, old, new, at, follow=True)
    assert answer.redirect_chain == [(card(new), 302)]
    assert "new has taken the place of old on pitch 101." in answer.content.decode()
    assert periods(old) == [("101", NOW - timedelta(days=1), at)]
    assert periods(new) == [("101", at, None)]


def test_the_log_tells_who_took_one_down_and_installed_the_other(chief, old):
    exchange(chief, old, make.meter())
    entries = LogEntry.objects.filter(content_type__model="installation").order_by("pk")
    told = [(entry.actor.username, entry.action, "until" in entry.changes) for entry in entries]
    assert told == [("chief", LogEntry.Action.UPDATE, True), ("chief", LogEntry.Action.CREATE, False)]


def test_a_removed_meter_can_still_be_exchanged(chief, old):
    old.device.removed_at = NOW
    old.device.save()
    new = make.meter()
    exchange(chief, old, new)
    assert periods(new) == [("101", NOW, None)]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW - timedelta(days=2), "The meter hangs on 101 only since"),
        (NOW + timedelta(hours=1), "That time has not come yet."),
    ],
)
def test_a_time_that_cannot_be_is_refused_beside_the_time(chief, old, at, said):
    new = make.meter()
    answer = exchange(chief, old, new, at)
    assert said in errors(answer)["at"][0]
    assert said in answer.content.decode()
    assert (len(periods(old)), periods(new)) == (1, [])


def test_a_new_meter_that_hung_elsewhere_then_is_refused_beside_the_meter(chief, old):
    new = make.meter()
    make.installed(new, make.pitch("store"), NOW - timedelta(days=1), NOW - timedelta(hours=1))
    answer = exchange(chief, old, new, NOW - timedelta(hours=2))
    assert errors(answer) == {"new": ["The meter hung somewhere else at that time."]}
    assert periods(old) == [("101", NOW - timedelta(days=1), None)]


def test_a_meter_that_was_installed_meanwhile_is_refused(chief, old):
    make.meter("free")
    taken = make.meter()
    make.installed(taken, make.pitch("102"))
    assert errors(exchange(chief, old, taken)) == {"new": ["This meter is no longer free; choose another one."]}
    assert periods(old) == [("101", NOW - timedelta(days=1), None)]


def test_what_the_verb_refuses_at_last_is_shown_above_the_form(chief, old, monkeypatch):
    def refuse(*_: Any) -> None:
        raise installations.NotInstalled("Somebody was faster.")

    monkeypatch.setattr(installations, "replace", refuse)
    answer = exchange(chief, old, make.meter())
    assert errors(answer) == {"__all__": ["Somebody was faster."]}
    assert "Somebody was faster." in answer.content.decode()


def test_a_second_click_is_told_that_the_old_meter_hangs_nowhere(chief, old):
    new = make.meter()
    exchange(chief, old, new)
    answer = exchange(chief, old, new, follow=True)
    assert "The meter hangs on no pitch." in answer.content.decode()
    assert periods(new) == [("101", NOW, None)]


# --- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("may", "code"), [(["view_meter"], 403), (["view_meter", "add_installation"], 302)])
def test_only_who_may_install_may_exchange(old, may, code):
    client, new, person = Client(headers=ENGLISH), make.meter(), make.staff()
    person.user_permissions.set(Permission.objects.filter(codename__in=may))
    client.force_login(person)
    assert (address(old) in client.get(card(old)).content.decode()) == (code == 302)
    assert client.get(address(old)).status_code == (403 if code == 403 else 200)
    assert exchange(client, old, new).status_code == code
    assert len(periods(new)) == (code == 302)


def test_who_is_not_logged_in_is_led_to_the_log_in(old):
    assert reverse("admin:login") in Client().get(address(old)).headers["Location"]
