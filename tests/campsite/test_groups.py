"""Who may what: the groups are declared in code, the tables follow, and the admin keeps to them."""

from typing import Any

import pytest
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bookings import reports
from campsite import groups
from meters.models import Command, Order
from tests import make

pytestmark = pytest.mark.django_db
ENGLISH = {"accept-language": "en"}
EVERYBODY = {"reception", "technician", "manager"}
TECHNICIANS = {"technician", "manager"}


def names(group: str) -> set[str]:
    held = Group.objects.get(name=group).permissions.select_related("content_type")
    return {f"{each.content_type.app_label}.{each.codename}" for each in held}


def person(group: str) -> Client:
    """Somebody of this group, logged in; of none with an empty name."""
    client, user = Client(headers=ENGLISH), make.staff(f"one of {group}")
    if group:
        user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


# --- the tables ------------------------------------------------------------------------------------------------------


def test_each_group_holds_what_is_declared_after_a_migration():
    for name, declared in groups.GROUPS.items():
        assert {word for word in declared if not word.endswith("*")} <= names(name)
    seen = {f"meters.view_{model._meta.model_name}" for model in apps.get_app_config("meters").get_models()}
    assert seen <= names("technician")
    assert names("reception") | names("technician") | names("auditor") <= names("manager")


def test_a_technician_needs_no_guests_name_and_takes_no_money():
    not_theirs = {"bookings.view_guest", "bookings.add_charge", "bookings.add_packagesale", "bookings.add_correction"}
    assert not_theirs <= names("reception")
    assert not not_theirs & names("technician")


def test_an_auditor_sees_and_changes_nothing_and_names_nobody():
    assert {word.partition(".")[2].partition("_")[0] for word in names("auditor")} == {"view"}
    assert not {"bookings.view_guest", "bookings.view_problemreport", "authtoken.view_tokenproxy"} & names("auditor")


def test_what_was_changed_by_hand_is_put_right_and_other_groups_are_left_alone():
    reception, own = Group.objects.get(name="reception"), Group.objects.create(name="bookkeeping")
    delete = Permission.objects.get(codename="delete_area")
    declared = names("reception")
    reception.permissions.set([delete])
    own.permissions.set([delete])
    Group.objects.get(name="manager").delete()
    for _ in range(2):
        groups.sync()
    assert names("reception") == declared
    assert names("bookkeeping") == {"meters.delete_area"}
    assert "auth.change_user" in names("manager")


def test_permissions_that_do_not_exist_yet_are_left_out():
    Permission.objects.filter(codename__in=["switch_meter", "add_bridgerequest"]).delete()
    groups.sync()
    assert "meters.switch_meter" not in names("reception")
    assert "meters.view_meter" in names("reception")


def test_tables_that_were_migrated_away_are_no_fault():
    class Nothing:
        def get_model(self, *_: str) -> None:
            raise LookupError

    groups.sync(apps=Nothing())


# --- who may what in the admin ---------------------------------------------------------------------------------------


@pytest.fixture
def rows() -> dict[str, Any]:
    """An area with a switched meter on a pitch, and a command of an order that waits."""
    area = make.acting("North")
    meter = make.switchable("101", area=area)
    order = Order.objects.create(state=True, created_at=timezone.now())
    make.installed(meter, make.pitch("101"))
    return {"area": area, "meter": meter, "order": order, "command": make.command(make.want(meter), order=order)}


def actions(client: Client, table: str) -> set[str]:
    form = client.get(reverse(f"admin:{table}_changelist")).context["action_form"]
    return {name for name, _ in form.fields["action"].choices if name} if form else set()


def test_a_list_offers_only_the_actions_that_one_may(rows):
    switching = {"switch_on", "switch_off", "let_go"}
    assert actions(person("reception"), "meters_meter") == switching
    assert actions(person("technician"), "meters_meter") == switching | {"install_on_suggested"}
    all_of_area = {"switch_all_on", "switch_all_off"}
    assert actions(person("manager"), "meters_area") >= all_of_area | {"act", "observe"}


@pytest.mark.parametrize("group", sorted(EVERYBODY))
def test_all_who_work_here_may_note_that_a_reported_problem_is_solved(group):
    report = reports.report(make.stay(make.pitch()), "no_power", "", None, timezone.now())
    form = {"action": "mark_solved", "_selected_action": [report.pk]}
    person(group).post(reverse("admin:bookings_problemreport_changelist"), form)
    report.refresh_from_db()
    assert report.solved_by == User.objects.get(username=f"one of {group}")


def test_reception_cancels_commands_and_somebody_who_only_looks_does_not(rows):
    looker = make.staff("looker")
    looker.user_permissions.set(Permission.objects.filter(codename="view_command"))
    client = Client(headers=ENGLISH)
    client.force_login(looker)
    form = {"action": "cancel", "_selected_action": [rows["command"].pk]}
    for who, status in ((client, "queued"), (person("reception"), "cancelled")):
        who.post(reverse("admin:meters_command_changelist"), form)
        assert Command.objects.get().status == status


def test_pages_show_only_the_buttons_that_one_may_press(rows):
    pages = {
        "meters_meter_change": (rows["meter"].pk, {"Switch on…": EVERYBODY, "Exchange this meter": TECHNICIANS}),
        "meters_area_change": (
            rows["area"].pk,
            {"Switch all meters off…": EVERYBODY, "Only observe…": TECHNICIANS, "Check its health": TECHNICIANS},
        ),
        "meters_device_change": (rows["meter"].device_id, {"Configure again": TECHNICIANS}),
    }
    for group in groups.GROUPS:
        client = person(group)
        for view, (pk, buttons) in pages.items():
            html = client.get(reverse(f"admin:{view}", args=[pk])).content.decode()
            for button, allowed in buttons.items():
                assert (button in html) == (group in allowed), (group, button)


# --- a manager gives nobody more than a manager may ------------------------------------------------------------------


def save(client: Client, user: User, *given: Group, **form: Any) -> Any:
    """Send the form of a user with these groups."""
    form = {"username": user.username, "is_active": "on", "is_staff": "on", "groups": [g.pk for g in given]} | form
    times = {"date_joined_0": "2026-01-01", "date_joined_1": "12:00:00"}
    return client.post(reverse("admin:auth_user_change", args=[user.pk]), form | times)


@pytest.fixture
def greater() -> Group:
    """A group of the site's own that may what managers may not."""
    group = Group.objects.create(name="bookkeeping")
    group.permissions.set(Permission.objects.filter(codename__in=["delete_area", "view_area"]))
    return group


def may_touch(client: Client, user: User) -> bool:
    """Whether somebody may delete this user and set the password; changing then goes with it."""
    pages = ["auth_user_delete", "auth_user_password_change"]
    answers = {client.get(reverse(f"admin:{page}", args=[user.pk])).status_code for page in pages}
    answers.add(client.post(reverse("admin:auth_user_change", args=[user.pk]), {}).status_code)  # an incomplete form
    assert len(answers) == 1
    return answers == {200}


def test_a_manager_makes_users_but_no_superusers():
    client, anna, reception = person("manager"), make.staff("Anna"), Group.objects.get(name="reception")
    direct = Permission.objects.get(codename="delete_area")
    save(client, anna, reception, is_superuser="on", user_permissions=[direct.pk])
    anna.refresh_from_db()
    assert (anna.is_superuser, list(anna.groups.all()), anna.user_permissions.count()) == (False, [reception], 0)


def test_a_new_account_may_what_its_group_may():
    client, reception = person("manager"), Group.objects.get(name="reception")
    form = {"username": "mette", "password1": "Teltpløk-2026", "password2": "Teltpløk-2026", "groups": [reception.pk]}
    answer = client.post(reverse("admin:auth_user_add"), form)
    assert answer.headers["Location"] == reverse("admin:auth_user_changelist")
    new = Client()
    new.force_login(User.objects.get(username="mette"))
    assert new.get(reverse("reception")).status_code == 200


def test_a_manager_makes_no_account_with_a_group_that_may_more(greater):
    form = {"username": "mette", "password1": "Teltpløk-2026", "password2": "Teltpløk-2026", "groups": [greater.pk]}
    assert person("manager").post(reverse("admin:auth_user_add"), form).status_code == 200
    assert not User.objects.filter(username="mette").exists()


def test_the_first_page_of_the_administration_has_the_menu_laid_open_too():
    html = person("reception").get(reverse("admin:index")).content.decode()
    assert html.count(f'href="{reverse("admin:bookings_charge_departures")}"') == 2
    assert reverse("admin:auth_user_changelist") not in html


def test_a_manager_gives_only_groups_that_may_no_more_than_a_manager(greater):
    client, manager = person("manager"), User.objects.get(username="one of manager")
    form = client.get(reverse("admin:auth_user_change", args=[manager.pk])).context["adminform"].form
    assert set(form.fields["groups"].queryset.values_list("name", flat=True)) == set(groups.GROUPS)
    assert save(client, manager, greater).status_code == 200
    assert [group.name for group in manager.groups.all()] == ["manager"]


def test_a_manager_touches_nobody_who_may_more_even_while_the_account_is_inactive(greater):
    client, trusted, special = person("manager"), make.staff("trusted"), make.staff("special")
    assert may_touch(client, trusted)
    assert not may_touch(client, make.superuser())
    trusted.groups.add(greater)
    special.user_permissions.add(Permission.objects.get(codename="delete_area"))
    for user in (trusted, special):
        assert not may_touch(client, user)
        user.is_active = False
        user.save()
        assert not may_touch(client, user)


def test_nothing_of_a_password_is_shown_to_who_may_not_set_it_anew():
    for who, whose, is_shown in (
        (person("auditor"), make.staff("Anna"), False),
        (person("manager"), make.superuser(), False),
        (make.client_of("manager"), make.staff("Bo"), True),
    ):
        html = who.get(reverse("admin:auth_user_change", args=[whose.pk])).content.decode()
        assert ('id_password"' in html or "algorithm" in html or "No password set" in html) == is_shown


def test_a_manager_sets_no_superusers_password_and_takes_no_mark_from_one(greater):
    client, chief = person("manager"), make.superuser()
    chief.set_password("Teltpløk-2026")
    chief.save()
    form = {"password1": "Sovepose-2026", "password2": "Sovepose-2026"}
    assert client.post(reverse("admin:auth_user_password_change", args=[chief.pk]), form).status_code == 403
    assert save(client, chief, is_superuser="", is_active="").status_code == 403
    chief.refresh_from_db()
    assert chief.check_password("Teltpløk-2026")
    assert chief.is_superuser
    assert chief.is_active


def test_a_manager_raises_not_even_the_own_account():
    client, manager = person("manager"), User.objects.get(username="one of manager")
    everything = [each.pk for each in Permission.objects.all()]
    save(client, manager, Group.objects.get(name="manager"), is_superuser="on", user_permissions=everything)
    manager = User.objects.get(pk=manager.pk)
    assert not manager.is_superuser
    assert not manager.user_permissions.exists()
    assert not manager.has_perm("auth.change_group")


def test_an_account_that_did_something_is_made_inactive_not_removed():
    client, anna, slip = person("manager"), make.staff("Anna"), make.staff("a slip")
    LogEntry.objects.log_create(make.area(), action=1, changes={"name": ["A", "B"]}, actor=anna)
    assert client.post(reverse("admin:auth_user_delete", args=[anna.pk]), {"post": "yes"}).status_code == 403
    assert client.post(reverse("admin:auth_user_delete", args=[slip.pk]), {"post": "yes"}).status_code == 302
    both = {"action": "delete_selected", "_selected_action": [anna.pk], "post": "yes"}
    client.post(reverse("admin:auth_user_changelist"), both)
    assert list(User.objects.filter(pk__in=[anna.pk, slip.pk])) == [anna]


def test_a_manager_changes_no_group(greater):
    client, manager = person("manager"), Group.objects.get(name="manager")
    everything = {"name": "manager", "permissions": [p.pk for p in Permission.objects.all()]}
    for group in (manager, greater):
        assert client.post(reverse("admin:auth_group_change", args=[group.pk]), everything).status_code == 403
        assert client.post(reverse("admin:auth_group_delete", args=[group.pk]), {"post": "yes"}).status_code == 403
    assert greater.permissions.count() == 2


def test_a_superuser_gives_any_group_and_any_permission(greater):
    client, anna = Client(headers=ENGLISH), make.staff("Anna")
    client.force_login(make.superuser())
    direct = Permission.objects.get(codename="delete_area")
    save(client, anna, greater, user_permissions=[direct.pk])
    assert (list(anna.groups.all()), list(anna.user_permissions.all())) == ([greater], [direct])


def test_groups_and_permissions_are_told_in_words_not_by_djangos_names():
    html = person("manager").get(reverse("admin:auth_group_change", args=[Group.objects.get(name="reception").pk]))
    text = html.content.decode()
    assert "Reception" in text
    assert "switch on and off, see" in text
    assert "Can view" not in text
    chief = Client(headers=ENGLISH)
    chief.force_login(make.superuser())
    text = chief.get(reverse("admin:auth_group_add")).content.decode()
    assert "Meters: switch on and off" in text
    assert "Can " not in text
