"""Passwords: which are taken, how they are kept, and whose somebody else chose."""

from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.urls import reverse

from campsite.login import factors, passwords
from tests import make
from tests.campsite.login import steps

pytestmark = pytest.mark.django_db
GIVEN, OWN = "Given by the boss 1", "Bølgebryder 77!"


def own(client: Any, password: str = OWN) -> Any:
    return client.post(reverse("login-own-password"), {"new_password1": password, "new_password2": password})


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("Elevenchars", "password_too_short"),
        ("1qaz2wsx3edc", "password_too_common"),
        ("mette.hansen1", "password_too_similar"),
        ("Engholm2026!!", "the_sites_name"),
        ("Engholm-Camping", "the_sites_name"),
    ],
)
def test_what_others_would_try_is_refused(password: str, why: str, settings: Any):
    settings.SITE_NAME = "Engholm Camping"
    with pytest.raises(ValidationError) as refused:
        validate_password(password, User(username="mette.hansen"))
    assert why in [each.code for each in refused.value.error_list]


@pytest.mark.parametrize(
    "password", ["Teltpløk ved søen", "correct horse battery", "engholm is where the heron stands"]
)
def test_a_sentence_is_taken(password: str, settings: Any):
    settings.SITE_NAME = "Engholm Camping"
    validate_password(password, User(username="mette"))


def test_a_password_is_kept_by_argon2_in_19_mib():
    assert make_password(OWN).startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_one_of_before_is_kept_anew_at_the_next_log_in():
    user = steps.somebody()
    User.objects.update(password=make_password(steps.PASSWORD, hasher="pbkdf2_sha256"))
    client = steps.browser()
    steps.tell_password(client)
    assert steps.is_in(client)
    user.refresh_from_db()
    assert user.password.startswith("argon2$")


# --- given by somebody else ------------------------------------------------------------------------------------------


def test_who_was_given_a_password_chooses_his_own_before_anything_else():
    steps.somebody(last_login=None)
    client = steps.browser()
    assert steps.tell_password(client).headers["Location"] == reverse("login-own-password")
    assert not steps.is_in(client)
    assert own(client).headers["Location"] == "/board/"
    assert steps.is_in(client)
    again = steps.browser()
    assert steps.tell_password(again, password=OWN).headers["Location"] == "/board/"


def test_the_one_that_he_was_given_is_not_his_own_and_the_rules_hold():
    steps.somebody(last_login=None)
    client = steps.browser()
    steps.tell_password(client)
    assert "the one that you were given" in own(client, steps.PASSWORD).content.decode()
    assert "too short" in own(client, "short").content.decode()
    assert not steps.is_in(client)


def test_then_comes_the_second_step_where_it_is_asked(settings: Any):
    settings.TWO_FACTOR_GROUPS = ["manager"]
    steps.somebody(group="manager", last_login=None)
    client = steps.browser()
    steps.tell_password(client)
    assert client.get(reverse("login-enrol")).headers["Location"] == reverse("login-own-password")
    assert own(client).headers["Location"] == reverse("login-enrol")
    assert not steps.is_in(client)


def test_who_has_only_the_password_that_was_given_and_not_the_telephone_changes_nothing():
    key = steps.with_telephone(steps.somebody(last_login=None))
    client = steps.browser()
    assert steps.tell_password(client).headers["Location"] == reverse("login-code")
    assert own(client).headers["Location"] == reverse("login-code")
    assert steps.tell_code(client, steps.code(key)).headers["Location"] == reverse("login-own-password")
    assert not steps.is_in(client)
    assert own(client).headers["Location"] == "/board/"
    assert steps.is_in(client)


def test_a_password_that_a_manager_sets_is_given_and_ends_what_was_open():
    user, chief = steps.somebody(), make.client_of("manager")
    client = steps.browser()
    steps.tell_password(client)
    form = {"password1": GIVEN, "password2": GIVEN, "usable_password": "true"}
    chief.post(reverse("admin:auth_user_password_change", args=[user.pk]), form)
    assert not steps.is_in(client)
    assert steps.tell_password(client, password=GIVEN).headers["Location"] == reverse("login-own-password")


def test_whoever_finds_a_managers_browser_open_sets_no_password_of_his():
    chief = make.client_of("manager")
    user = User.objects.get(username="manager")
    form = {"password1": OWN, "password2": OWN, "usable_password": "true"}
    for pk in (user.pk, f"0{user.pk}", f" {user.pk}"):
        chief.post(reverse("admin:auth_user_password_change", args=[pk]), form)
    user.refresh_from_db()
    assert not user.check_password(OWN)
    page = chief.get(reverse("admin:auth_user_password_change", args=[user.pk]))
    assert page.headers["Location"] == reverse("admin:password_change")


def test_a_new_account_begins_with_a_password_that_was_given():
    form = {"username": "new", "password1": GIVEN, "password2": GIVEN, "usable_password": "true"}
    form["groups"] = str(Group.objects.get(name="reception").pk)
    make.client_of("manager").post(reverse("admin:auth_user_add"), form)
    client = steps.browser()
    assert steps.tell_password(client, "new", GIVEN).headers["Location"] == reverse("login-own-password")


def test_who_was_made_on_the_server_chose_there():
    chief = User.objects.create_superuser("root", password=OWN)
    assert not passwords.is_given(chief)
    assert not factors.has_one(chief)
