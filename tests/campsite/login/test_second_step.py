"""A log-in with a telephone: who is asked for it, and that nothing opens before."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from campsite.login import backends, factors, halfway
from tests import make
from tests.campsite.login import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(settings: Any) -> None:
    """Technicians, managers and superusers must have a second step."""
    settings.TWO_FACTOR_GROUPS = ["manager", "technician", "superuser"]


def noted() -> list[str]:
    return [
        entry.changes["log_in"][1] for entry in LogEntry.objects.order_by("pk") if "log_in" in (entry.changes or {})
    ]


# --- who is asked ----------------------------------------------------------------------------------------------------


def test_where_nothing_more_is_asked_the_password_alone_opens():
    steps.somebody()
    client = steps.browser()
    answer = steps.tell_password(client)
    assert answer.headers["Location"] == "/board/"
    assert steps.is_in(client)


def test_who_has_a_telephone_is_in_only_after_its_code():
    key = steps.with_telephone(steps.somebody())
    client = steps.browser()
    assert steps.tell_password(client).headers["Location"] == reverse("login-code")
    assert not steps.is_in(client)
    assert steps.tell_code(client, steps.code(key)).headers["Location"] == "/board/"
    assert steps.is_in(client)


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("group", ["technician", "manager"])
def test_a_member_of_a_group_that_must_is_led_to_enrolment_before_anything_else(group: str):
    steps.somebody(group=group)
    client = steps.browser()
    assert steps.tell_password(client).headers["Location"] == reverse("login-enrol")
    assert not steps.is_in(client)
    assert client.get(reverse("admin:index")).headers["Location"].startswith("/admin/login/")
    assert client.get("/api/v1/areas/").status_code == 401
    page = client.get(reverse("login-enrol")).content.decode()
    assert "<svg" in page
    assert factors.in_letters(steps.key_of(client)) in page


@pytest.mark.usefixtures("asked")
def test_the_first_code_proves_the_telephone_logs_in_and_shows_the_recovery_codes_once():
    user = steps.somebody(group="manager")
    client = steps.browser()
    steps.tell_password(client, then="/admin/reception/")
    client.get(reverse("login-enrol"))
    shown = client.post(reverse("login-enrol"), {"code": steps.code(steps.key_of(client))})
    assert len(shown.context["codes"]) == factors.RECOVERY_CODES == factors.codes_left(user)
    assert shown.context["then"] == "/admin/reception/"
    assert steps.is_in(client)
    assert client.get(reverse("login-enrol")).status_code == 302
    assert noted() == ["second_step_on"]


@pytest.mark.usefixtures("asked")
def test_a_wrong_first_code_enrols_nothing():
    user = steps.somebody(group="manager")
    client = steps.browser()
    steps.tell_password(client)
    client.get(reverse("login-enrol"))
    answer = client.post(reverse("login-enrol"), {"code": steps.code(factors.new_key())})
    assert "This is not what the telephone shows" in answer.content.decode()
    assert not factors.has_one(user)
    assert not steps.is_in(client)


@pytest.mark.usefixtures("asked")
def test_a_key_that_somebody_saw_and_left_is_worth_nothing_to_him():
    """Who knew the password first and only looked: the next browser is shown another key."""
    steps.somebody(group="manager")
    first, second = steps.browser(), steps.browser()
    for client in (first, second):
        steps.tell_password(client)
        client.get(reverse("login-enrol"))
    assert steps.key_of(first) != steps.key_of(second)


@pytest.mark.usefixtures("asked")
def test_a_key_that_was_shown_to_somebody_else_in_the_same_browser_is_no_telephones_of_the_next():
    """Both stand at one counter: the first goes as far as the picture and no further."""
    steps.somebody("jens", group="technician")
    steps.somebody("mette", group="manager")
    counter, seen = steps.browser(), []
    for name in ("jens", "mette"):
        steps.tell_password(counter, name)
        counter.get(reverse("login-enrol"))
        seen.append(steps.key_of(counter))
    assert seen[0] != seen[1]


@pytest.mark.usefixtures("asked")
def test_reception_may_and_need_not():
    user = steps.somebody(group="reception")
    client = steps.browser()
    steps.tell_password(client)
    assert steps.is_in(client)
    client.get(reverse("my-log-in-telephone"))
    client.post(reverse("my-log-in-telephone"), {"code": steps.code(steps.key_of(client))})
    assert factors.has_one(user)
    assert steps.is_in(client)


@pytest.mark.usefixtures("asked")
def test_superusers_are_asked_without_a_group():
    assert factors.is_asked_of(make.superuser())
    assert not factors.is_asked_of(make.staff())


# --- what no longer opens --------------------------------------------------------------------------------------------


def test_a_session_of_a_password_alone_ends_when_more_is_asked(settings: Any):
    steps.somebody(group="technician")
    client = steps.browser()
    steps.tell_password(client)
    assert steps.is_in(client)
    settings.TWO_FACTOR_GROUPS = ["technician"]
    assert not steps.is_in(client)


def test_other_sessions_of_a_password_alone_end_when_a_telephone_is_enrolled():
    user = steps.somebody()
    client = steps.browser()
    steps.tell_password(client)
    steps.with_telephone(user)
    assert not steps.is_in(client)


def test_a_session_ends_when_the_second_step_that_opened_it_is_taken_away():
    user = steps.somebody()
    key = steps.with_telephone(user)
    client = steps.browser()
    steps.tell_password(client)
    steps.tell_code(client, steps.code(key))
    factors.take_away(user, None)
    assert not steps.is_in(client)


def test_who_a_session_belongs_to_takes_one_query(django_assert_num_queries: Any, settings: Any):
    settings.TWO_FACTOR_GROUPS = ["manager", "superuser"]
    user = steps.somebody()
    with django_assert_num_queries(1):
        assert backends.ByPassword().get_user(user.pk) == user
    with django_assert_num_queries(1):
        assert backends.ByBoth().get_user(user.pk) is None


def test_the_same_holds_where_a_user_is_asked_for_without_a_thread(settings: Any):
    settings.TWO_FACTOR_GROUPS = ["superuser"]
    chief = make.superuser()
    for backend in (backends.ByPassword(), backends.ByBoth()):
        assert async_to_sync(backend.aget_user)(chief.pk) is None


# --- half way --------------------------------------------------------------------------------------------------------


def test_the_second_step_is_nobodys_without_the_first():
    steps.with_telephone(steps.somebody())
    for page in ("login-code", "login-enrol", "login-own-password"):
        assert steps.browser().get(reverse(page)).headers["Location"] == reverse("admin:login")


def test_half_a_log_in_lasts_a_quarter_of_an_hour():
    key = steps.with_telephone(steps.somebody())
    client = steps.browser()
    steps.tell_password(client)
    session = client.session
    session[halfway.KEY] = session[halfway.KEY] | {"at": session[halfway.KEY]["at"] - halfway.LASTS_S - 1}
    session.save()
    assert steps.tell_code(client, steps.code(key)).headers["Location"] == reverse("admin:login")
    assert not steps.is_in(client)


def test_half_a_log_in_ends_with_the_password_that_began_it():
    user = steps.somebody()
    key = steps.with_telephone(user)
    client = steps.browser()
    steps.tell_password(client)
    user.set_password("another that is long enough")
    user.save()
    assert steps.tell_code(client, steps.code(key)).headers["Location"] == reverse("admin:login")


def test_who_is_shut_out_of_his_account_meanwhile_does_not_get_in():
    user = steps.somebody()
    key = steps.with_telephone(user)
    client = steps.browser()
    steps.tell_password(client)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert steps.tell_code(client, steps.code(key)).headers["Location"] == reverse("admin:login")


def test_it_leads_to_no_foreign_site_afterwards():
    key = steps.with_telephone(steps.somebody())
    client = steps.browser()
    steps.tell_password(client, then="https://evil.example/")
    assert steps.tell_code(client, steps.code(key)).headers["Location"] == reverse("admin:index")


def test_the_step_takes_few_queries(django_assert_max_num_queries: Any):
    key = steps.with_telephone(steps.somebody())
    client = steps.browser()
    steps.tell_password(client)
    with django_assert_max_num_queries(6):
        client.get(reverse("login-code"))
    with django_assert_max_num_queries(26):  # among them: its code used, the log-in noted, a new session
        steps.tell_code(client, steps.code(key))


# --- codes -----------------------------------------------------------------------------------------------------------


def test_a_code_is_taken_once():
    user = steps.somebody()
    key = steps.with_telephone(user)
    factors.prove(user, steps.code(key))
    with pytest.raises(factors.Refused):
        factors.prove(user, steps.code(key))


def test_the_code_that_enrolled_the_telephone_does_not_log_in():
    user = steps.somebody()
    key = factors.new_key()
    factors.switch_on(user, key, steps.code(key))
    with pytest.raises(factors.Refused):
        factors.prove(user, steps.code(key))


def test_after_a_wrong_code_the_next_must_wait_and_says_how_long():
    key = steps.with_telephone(steps.somebody())
    client = steps.browser()
    steps.tell_password(client)
    steps.tell_code(client, "000000")
    answer = steps.tell_code(client, steps.code(key))
    assert "wait 1 seconds" in answer.content.decode()
    assert not steps.is_in(client)


def test_a_recovery_code_lets_in_once_however_it_is_typed_and_tells_how_many_are_left():
    user = steps.somebody()
    steps.with_telephone(user)
    paper = factors.new_codes(user)[0]
    for typed, opens in ((f" {paper.upper()} ", True), (paper, False)):
        client = steps.browser()
        steps.tell_password(client)
        steps.tell_code(client, typed)
        assert steps.is_in(client) is opens
    assert factors.codes_left(user) == factors.RECOVERY_CODES - 1
    assert noted()[-1] == "recovery_code_used"


def test_a_telephones_code_that_is_typed_as_it_is_shown_is_no_recovery_code():
    """With a blank in the middle."""
    key = steps.with_telephone(steps.somebody())
    client = steps.browser()
    steps.tell_password(client)
    shown = steps.code(key)
    answer = steps.tell_code(client, f"{shown[:3]} {shown[3:]}")
    assert steps.is_in(client)
    assert not list(get_messages(answer.wsgi_request))


def test_new_recovery_codes_replace_those_before():
    user = steps.somebody()
    steps.with_telephone(user)
    old, new = factors.new_codes(user)[0], factors.new_codes(user)[0]
    with pytest.raises(factors.Refused):
        factors.prove(user, old)

    assert new != old
    assert factors.codes_left(user) == factors.RECOVERY_CODES


def test_somebody_has_one_telephone_however_often_the_button_is_pressed():
    user = steps.somebody()
    steps.with_telephone(user)
    with pytest.raises(factors.Refused):
        steps.with_telephone(user)
    assert TOTPDevice.objects.count() == 1


def test_the_telephone_of_somebody_else_opens_nothing():
    mine, other = steps.somebody(), steps.somebody("other")
    steps.with_telephone(mine)
    with pytest.raises(factors.Refused):
        factors.prove(mine, steps.code(steps.with_telephone(other)))


# --- one's own page --------------------------------------------------------------------------------------------------


def logged_in(group: str = "reception") -> tuple[Any, User, str]:
    user = steps.somebody(group=group)
    key = steps.with_telephone(user)
    client = steps.browser()
    steps.tell_password(client)
    steps.tell_code(client, steps.code(key))
    TOTPDevice.objects.update(last_t=-1)  # as if half a minute had passed
    return client, user, key


def test_who_found_the_browser_open_switches_nothing_off():
    client, user, _key = logged_in()
    client.post(reverse("my-log-in-change"), {"code": "000000", "off": "1"})
    assert factors.has_one(user)


def test_with_a_code_the_second_step_is_switched_off_and_one_stays_logged_in():
    client, user, key = logged_in()
    client.post(reverse("my-log-in-change"), {"code": steps.code(key), "off": "1"})
    assert not factors.has_one(user)
    assert steps.is_in(client)


def test_who_must_have_it_enrols_another_telephone_in_its_place(settings: Any):
    settings.TWO_FACTOR_GROUPS = ["manager"]
    client, user, key = logged_in("manager")
    answer = client.post(reverse("my-log-in-change"), {"code": steps.code(key), "off": "1"})
    assert answer.headers["Location"] == reverse("login-enrol")
    assert not steps.is_in(client), "until the new one is proven"
    client.get(reverse("login-enrol"))
    new = steps.key_of(client)
    client.post(reverse("login-enrol"), {"code": steps.code(new)})
    assert steps.is_in(client)
    assert TOTPDevice.objects.get(user=user).key == new != key


def test_what_a_telephone_opened_elsewhere_is_not_open_again_with_the_next_one():
    """It was stolen, with a log-in in it."""
    client, user, key = logged_in()
    stolen = steps.browser()
    steps.tell_password(stolen)
    steps.tell_code(stolen, steps.code(key))
    assert steps.is_in(stolen)
    TOTPDevice.objects.update(last_t=-1)
    client.post(reverse("my-log-in-change"), {"code": steps.code(key), "off": "1"})
    steps.with_telephone(user)
    assert not steps.is_in(stolen)


def test_whoever_finds_a_managers_browser_open_does_not_take_his_second_step_away():
    client, user, _key = logged_in("manager")
    assert client.post(reverse("admin:auth_user_telephone", args=[user.pk])).status_code == 403
    page = client.get(reverse("admin:auth_user_change", args=[user.pk])).content.decode()
    assert "Take the second step away" not in page
    assert factors.has_one(user)


def test_with_a_code_there_are_new_recovery_codes():
    client, _user, key = logged_in()
    shown = client.post(reverse("my-log-in-change"), {"code": steps.code(key), "new_codes": "1"})
    assert len(shown.context["codes"]) == factors.RECOVERY_CODES


def test_the_page_of_ones_own_takes_few_queries(django_assert_max_num_queries: Any):
    client, _user, _key = logged_in()
    client.get(reverse("my-log-in"))
    with django_assert_max_num_queries(8):
        assert "recovery codes are left" in client.get(reverse("my-log-in")).content.decode()


# --- a manager -------------------------------------------------------------------------------------------------------


def test_a_manager_takes_away_the_second_step_of_a_lost_telephone_and_the_audit_log_tells():
    chief = make.client_of("manager")
    client, user, _key = logged_in("technician")
    chief.post(reverse("admin:auth_user_telephone", args=[user.pk]))
    assert not factors.has_one(user)
    assert not steps.is_in(client)
    entry = LogEntry.objects.get(changes__log_in__1="second_step_off")
    assert (str(entry.actor), entry.object_pk) == ("manager", str(user.pk))


def test_reception_takes_nothing_away_and_a_manager_none_of_a_superuser():
    user, boss = steps.somebody(), make.superuser()
    for each in (user, boss):
        steps.with_telephone(each)
    make.client_of("technician").post(reverse("admin:auth_user_telephone", args=[user.pk]))
    make.client_of("manager").post(reverse("admin:auth_user_telephone", args=[boss.pk]))
    assert factors.has_one(user)
    assert factors.has_one(boss)


def test_the_list_of_users_says_who_has_one(django_assert_max_num_queries: Any):
    steps.with_telephone(steps.somebody())
    chief = make.client_of("manager")
    chief.get(reverse("admin:auth_user_changelist"))
    with django_assert_max_num_queries(12):
        rows = chief.get(reverse("admin:auth_user_changelist")).context["cl"].result_list
    assert {row.username: row.has_second_step for row in rows} == {"mette": True, "manager": False}


def test_the_admin_shows_nobodys_secret():
    steps.with_telephone(steps.somebody())
    chief = Client()
    chief.force_login(make.superuser())
    for table in ("otp_totp/totpdevice", "otp_static/staticdevice"):
        assert chief.get(f"/admin/{table}/").status_code == 404


def test_who_has_no_manager_is_helped_on_the_server(capsys: Any):
    client, user, _key = logged_in("manager")
    call_command("second_step_off", "mette")
    assert not factors.has_one(user)
    assert not steps.is_in(client)
    assert LogEntry.objects.filter(changes__log_in__1="second_step_off", actor=None).exists()
    for name in ("mette", "nobody"):
        with pytest.raises(CommandError):
            call_command("second_step_off", name)
