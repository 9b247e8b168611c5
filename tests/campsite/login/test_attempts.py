"""Wrong tries: who is held, for how long, and who is not."""

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.core.management import call_command
from django.db.models import F
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import formats, timezone, translation
from django_otp.plugins.otp_totp.models import TOTPDevice

from campsite.login import attempts, browsers
from tests import make
from tests.campsite.login import steps

pytestmark = pytest.mark.django_db
OFFICE, GUESTS, FAR = "198.51.100.7", "203.0.113.9", "192.0.2.44"


def guess(client: Client, times: int, name: str = "mette") -> int:
    """Wrong passwords; returns the last answer's status."""
    return [steps.tell_password(client, name, f"wrong {number}").status_code for number in range(times)][-1]


def later(**passed: float) -> None:
    """As if so much time had passed since the last try."""
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(**passed))


def opens(client: Client, name: str = "mette") -> bool:
    return bool(steps.tell_password(client, name).status_code == 302)


@pytest.fixture
def mette() -> Any:
    return steps.somebody()


@pytest.mark.usefixtures("mette")
def test_after_five_wrong_tries_the_right_password_is_not_looked_at_either():
    client = steps.browser()
    assert guess(client, 4) == 200
    assert guess(client, 1) == 429
    assert not opens(client)
    assert not steps.is_in(client)


@pytest.mark.usefixtures("mette")
def test_the_page_says_until_when_and_what_to_do(settings: Any):
    client = steps.browser()
    client.post(reverse("admin:login"))
    for _ in range(settings.LOGIN_TRIES):
        answer = steps.tell_password(client, password="wrong")
    html = answer.content.decode()
    shut = timezone.localtime(AccessAttempt.objects.get().attempt_time + timedelta(minutes=15))
    with translation.override("en"):
        assert formats.time_format(shut) in html
    assert "a manager can let you in at once" in html
    assert 890 <= int(answer.headers["Retry-After"]) <= 900
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.usefixtures("mette")
def test_it_opens_after_a_quarter_of_an_hour_and_each_wrong_try_then_doubles_that():
    client = steps.browser()
    guess(client, 5)
    later(minutes=15)
    assert guess(client, 1) == 429
    later(minutes=29)
    assert not opens(client)
    later(minutes=1)
    assert opens(client)


def test_it_is_never_shut_for_longer_than_four_hours():
    assert attempts.lasts(5, 5) == timedelta(minutes=15)
    assert attempts.lasts(7, 5) == timedelta(hours=1)
    assert attempts.lasts(10_000, 5) == timedelta(hours=4)


@pytest.mark.usefixtures("mette")
def test_tries_that_are_not_looked_at_make_it_no_longer():
    client = steps.browser()
    guess(client, 5)
    guess(client, 20)
    assert AccessAttempt.objects.get().failures_since_start == 5


@pytest.mark.usefixtures("mette")
def test_a_guest_who_guesses_shuts_nobody_else_out_of_the_same_address():
    steps.somebody("jens")
    guess(steps.browser(GUESTS), 5)
    assert opens(steps.browser(GUESTS), "jens")


@pytest.mark.usefixtures("mette")
def test_an_address_that_tries_many_names_is_held_but_not_the_browsers_that_staff_work_in(settings: Any):
    settings.LOGIN_TRIES_OF_AN_ADDRESS = 8
    reception = steps.browser(GUESTS)  # behind the same address as the guests
    assert opens(reception)
    stranger = steps.browser(GUESTS)
    assert [guess(stranger, 1, f"name {number}") for number in range(8)][-1] == 429
    assert not opens(steps.browser(GUESTS))
    assert opens(reception)
    assert opens(steps.browser(OFFICE))


@pytest.mark.usefixtures("mette")
def test_many_who_try_one_name_from_everywhere_do_not_shut_its_owner_out_of_his_browser(settings: Any):
    settings.LOGIN_TRIES_FOR_A_NAME = 6
    own = steps.browser(OFFICE)
    assert opens(own)
    for number in range(6):
        guess(steps.browser(f"192.0.2.{number}"), 1)
    assert not opens(steps.browser(FAR))
    assert opens(own)


@pytest.mark.usefixtures("mette")
def test_a_browser_that_is_known_has_five_tries_of_its_own():
    own = steps.browser()
    assert opens(own)
    assert guess(own, 5) == 429
    assert not opens(own)
    assert opens(steps.browser()), "from a new browser the person gets in: those tries are not an address's"


@pytest.mark.usefixtures("mette")
def test_a_browser_is_known_for_those_only_who_logged_in_there_and_its_cookie_names_nobody():
    steps.somebody("jens")
    own = steps.browser()
    opens(own)
    request = RequestFactory().get("/")
    request.COOKIES = {key: morsel.value for key, morsel in own.cookies.items()}
    assert browsers.mark(request, "mette")
    assert not browsers.mark(request, "jens")
    assert "mette" not in request.COOKIES[browsers.COOKIE]


def test_a_cookie_that_somebody_made_up_is_worth_nothing():
    request = RequestFactory().get("/")
    request.COOKIES = {browsers.COOKIE: "eyJ4IjoieSJ9:1:made-up"}
    assert browsers.mark(request, "mette") == ""


@pytest.mark.usefixtures("mette")
def test_who_claims_to_be_a_known_browser_is_not():
    client = steps.browser()
    client.defaults["HTTP_USER_AGENT"] = f"{browsers.MARK}0123456789abcdef"
    assert guess(client, 5) == 429


@pytest.mark.usefixtures("mette")
def test_an_address_that_is_only_claimed_is_not_believed(settings: Any):
    client = steps.browser(FAR)
    for number in range(5):
        client.defaults["HTTP_X_FORWARDED_FOR"] = f"10.0.0.{number}"
        guess(client, 1)
    assert {str(row.ip_address) for row in AccessAttempt.objects.all()} == {FAR}


@pytest.mark.usefixtures("mette")
def test_behind_our_proxy_it_is_the_callers_address(settings: Any):
    from ipaddress import ip_network

    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    client = steps.browser("10.0.0.2")
    client.defaults["HTTP_X_FORWARDED_FOR"] = f"1.2.3.4, {FAR}"
    guess(client, 1)
    assert str(AccessAttempt.objects.get().ip_address) == FAR


def test_an_ipv6_subscriber_is_one_address_however_many_he_has():
    found = {attempts.address(RequestFactory().get("/", REMOTE_ADDR=f"2001:db8:1:2::{end}")) for end in ("1", "ffff")}
    assert found == {"2001:db8:1:2::"}


@pytest.mark.usefixtures("mette")
def test_a_log_in_forgets_the_wrong_tries_before_it():
    client = steps.browser()
    guess(client, 4)
    assert opens(client)
    assert not AccessAttempt.objects.exists()


def test_of_names_that_nobody_has_and_of_passwords_nothing_is_kept():
    """People type their passwords into the wrong field."""
    client = steps.browser()
    steps.tell_password(client, "my secret password", "another secret")
    for model in (AccessAttempt, AccessFailureLog):
        kept = str(model.objects.values().get())
        assert "secret" not in kept
        assert model.objects.get().username.startswith(attempts.UNKNOWN)


def test_a_name_that_nobody_has_is_answered_as_one_that_somebody_has():
    steps.somebody()
    answers = [
        [guess(steps.browser(address), 1, name) for _ in range(6)]
        for address, name in ((FAR, "mette"), (GUESTS, "nobody"))
    ]
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("mette")
def test_wrong_codes_count_as_wrong_passwords_do(mette: Any):
    from django_otp.plugins.otp_totp.models import TOTPDevice

    key = steps.with_telephone(mette)
    client = steps.browser()
    steps.tell_password(client)
    for _ in range(5):
        TOTPDevice.objects.update(throttling_failure_count=0)
        answer = steps.tell_code(client, "000000")
    assert answer.status_code == 429
    TOTPDevice.objects.update(throttling_failure_count=0)
    assert steps.tell_code(client, steps.code(key)).status_code == 429
    assert not steps.is_in(client)
    assert "000000" not in str(list(AccessAttempt.objects.values()))


@pytest.mark.usefixtures("mette")
def test_without_redis_wrong_tries_are_counted_all_the_same(settings: Any):
    settings.CACHES = {"default": {"BACKEND": "campsite.shared_cache.SharedCache", "LOCATION": ["redis://127.0.0.1:1"]}}
    client = steps.browser()
    assert guess(client, 5) == 429
    assert not opens(client)


@pytest.mark.usefixtures("mette")
def test_a_try_takes_few_queries(django_assert_max_num_queries: Any):
    client = steps.browser()
    guess(client, 1)
    with django_assert_max_num_queries(20):
        guess(client, 1)


# --- what managers see and do ----------------------------------------------------------------------------------------


def test_a_manager_sees_who_tried_and_who_logged_in_and_changes_nothing(mette: Any):
    guess(steps.browser(GUESTS), 1)
    guess(steps.browser(GUESTS), 1, "nobody at all")
    opens(steps.browser(OFFICE))
    chief = make.client_of("manager")
    tries = chief.get(reverse("admin:axes_accessfailurelog_changelist")).content.decode()
    assert GUESTS in tries
    assert "a name that nobody has" in tries
    assert OFFICE in chief.get(reverse("admin:axes_accesslog_changelist")).content.decode()
    row = AccessFailureLog.objects.first()
    assert row
    assert chief.get(reverse("admin:axes_accessfailurelog_change", args=[row.pk])).status_code == 200
    for act in ("delete", "change"):
        assert chief.post(reverse(f"admin:axes_accessfailurelog_{act}", args=[row.pk])).status_code == 403


@pytest.mark.parametrize("table", ["accessfailurelog", "accesslog"])
def test_the_lists_are_managers_alone_and_take_few_queries(table: str, django_assert_max_num_queries: Any):
    address = reverse(f"admin:axes_{table}_changelist")
    assert make.client_of("technician").get(address).status_code == 403
    chief = make.client_of("manager")
    with django_assert_max_num_queries(10):
        assert chief.get(address).status_code == 200


def test_a_manager_lets_somebody_in_at_once_and_the_audit_log_tells(mette: Any):
    client, chief = steps.browser(), make.client_of("manager")
    guess(client, 5)
    page = chief.get(reverse("admin:auth_user_change", args=[mette.pk])).content.decode()
    assert "5 wrong tries" in page
    chief.post(reverse("admin:auth_user_let-in", args=[mette.pk]))
    assert opens(client)
    assert str(LogEntry.objects.get(changes__log_in__1="let_in").actor) == "manager"


def test_who_is_let_in_need_not_wait_for_the_codes_that_somebody_else_tried(mette: Any):
    """Who had the password, and no telephone."""
    key = steps.with_telephone(mette)
    thief, own = steps.browser(FAR), steps.browser()
    for client in (thief, own):
        steps.tell_password(client)
    steps.tell_code(thief, "000000")
    TOTPDevice.objects.update(throttling_failure_count=20)
    make.client_of("manager").post(reverse("admin:auth_user_let-in", args=[mette.pk]))
    steps.tell_code(own, steps.code(key))
    assert steps.is_in(own)


@pytest.mark.usefixtures("mette")
def test_so_does_a_command_on_the_server(capsys: Any):
    client = steps.browser()
    guess(client, 5)
    call_command("axes_reset_username", "mette")
    assert opens(client)


@pytest.mark.usefixtures("mette")
def test_a_log_out_is_noted():
    client = steps.browser()
    opens(client)
    client.post(reverse("admin:logout"))
    assert AccessLog.objects.get(username="mette").logout_time is not None
