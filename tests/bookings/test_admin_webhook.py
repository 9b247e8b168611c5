"""The webhook in the admin: addresses that are shown once, events that tell why they failed and can be replayed."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bookings import inbox, tokens
from bookings.models import WebhookEvent, WebhookToken
from tests import make
from tests.bookings import sirvoy
from tests.bookings.sirvoy import NOON, received

pytestmark = pytest.mark.django_db
ADD = reverse("admin:bookings_webhooktoken_add")
TOKENS = reverse("admin:bookings_webhooktoken_changelist")
EVENTS = reverse("admin:bookings_webhookevent_changelist")
Status = WebhookEvent.Status


def of(user: User) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def may(*codenames: str) -> Client:
    user = make.staff("-".join(codenames) or "nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return of(user)


@pytest.fixture
def chief() -> Client:
    return of(make.superuser())


def page(event: WebhookEvent) -> str:
    return reverse("admin:bookings_webhookevent_change", args=[event.pk])


def failed() -> WebhookEvent:
    event = inbox.store(None, b"<b>oops</b>", NOON)
    inbox.process(event.pk, NOON)
    return event


# --- addresses -------------------------------------------------------------------------------------------------------


def test_an_address_is_shown_once_and_kept_by_nobody(chief):
    answer = chief.post(ADD, {"name": "Sirvoy, from May"})
    address = answer.context["address"]
    assert address.startswith("http://testserver/hooks/sirvoy/")
    assert address in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert tokens.find(address.split("/")[-2]).name == "Sirvoy, from May"
    made = WebhookToken.objects.get()
    for url in (TOKENS, ADD, reverse("admin:bookings_webhooktoken_change", args=[made.pk])):
        assert address not in chief.get(url).content.decode()


def test_an_address_is_under_the_sites_own_name_where_that_is_set(chief, settings):
    settings.SITE_URL = "https://power.example.com"
    address = chief.post(ADD, {"name": "Sirvoy"}).context["address"]
    assert address.startswith("https://power.example.com/hooks/sirvoy/")


def test_a_third_address_is_refused_with_the_reason(chief):
    for _ in range(2):
        tokens.make("Sirvoy", None)
    answer = chief.post(ADD, {"name": "third"})
    assert "Revoke one of them first." in answer.content.decode()
    assert WebhookToken.objects.count() == 2


def test_an_address_needs_a_name(chief):
    assert chief.post(ADD, {"name": ""}).status_code == 200
    assert not WebhookToken.objects.exists()


def test_an_address_is_revoked(chief):
    made, secret = tokens.make("Sirvoy", None)
    form = {"action": "revoke", "_selected_action": [made.pk]}
    assert "Revoke Sirvoy?" in chief.post(TOKENS, form).content.decode()
    assert tokens.find(secret) == made
    answer = chief.post(TOKENS, form | {"sure": "1"}, follow=True)
    assert "1 address was revoked." in answer.content.decode()
    assert tokens.find(secret) is None


def test_who_may_only_look_makes_and_revokes_nothing():
    viewer = may("view_webhooktoken")
    made, secret = tokens.make("Sirvoy", None)
    assert viewer.get(TOKENS).status_code == 200
    assert viewer.post(ADD, {"name": "mine"}).status_code == 403
    viewer.post(TOKENS, {"action": "revoke", "_selected_action": [made.pk], "sure": "1"})
    assert tokens.find(secret) == made


# --- events ----------------------------------------------------------------------------------------------------------


def test_the_list_tells_why_an_event_failed(chief):
    failed()
    text = chief.get(EVENTS).content.decode()
    assert "It is not JSON." in text
    assert "could not be worked on" in text


def test_the_list_is_filtered_by_status_and_reason(chief):
    failed()
    inbox.process(received(sirvoy.booking()).pk, NOON)
    assert chief.get(EVENTS, {"status__exact": "failed"}).context["cl"].result_count == 1
    assert chief.get(EVENTS, {"reason": "It is not JSON."}).context["cl"].result_count == 1
    assert chief.get(EVENTS, {"reason": "another"}).context["cl"].result_count == 0


def test_the_list_reads_no_bodies_and_costs_the_same_for_many(chief, django_assert_max_num_queries):
    for number in range(30):
        received(sirvoy.booking(number=number + 1))
    with django_assert_max_num_queries(12):
        chief.get(EVENTS)


def test_the_body_is_shown_in_lines_and_escaped(chief):
    event = received(sirvoy.booking(guest={"firstName": "<script>Zoë 🏕️"}))
    text = chief.get(page(event)).content.decode()
    assert "&lt;script&gt;Zoë 🏕️" in text
    assert "<script>Zoë" not in text


@pytest.mark.parametrize("body", [b"", b"\xff\0", b"[" * 99_999, b'"\\ud800"', b"<b>"])
def test_any_body_can_be_looked_at(chief, body):
    event = inbox.store(None, body, NOON)
    inbox.process(event.pk, NOON)
    assert chief.get(page(event)).status_code == 200


def test_the_body_is_shown_only_to_who_may_see_guests():
    event = received(sirvoy.booking(guest={"firstName": "Secretia"}))
    assert "Secretia" not in may("view_webhookevent").get(page(event)).content.decode()
    assert "Secretia" in may("view_webhookevent", "view_guest").get(page(event)).content.decode()


def test_an_erased_event_says_so(chief):
    event = received(sirvoy.booking())
    inbox.process(event.pk, NOON)
    inbox.erase([sirvoy.NUMBER], timezone.now())
    assert "Erased on" in chief.get(page(event)).content.decode()


def test_events_are_replayed_from_the_list(chief):
    events = [received(sirvoy.booking(number=number)) for number in (1, 2)]
    ids = [event.pk for event in [*events, failed()]]
    text = chief.post(EVENTS, {"action": "replay", "_selected_action": ids}, follow=True).content.decode()
    assert "2 events were replayed." in text
    assert "1 event failed again." in text
    assert WebhookEvent.objects.filter(status=Status.APPLIED).count() == 2


def test_an_event_is_replayed_from_its_page(chief):
    event = received(sirvoy.booking())
    url = reverse("admin:bookings_webhookevent_replay", args=[event.pk])
    assert url in chief.get(page(event)).content.decode()
    assert chief.get(url).status_code == 405
    chief.post(url)
    assert WebhookEvent.objects.get().status == Status.APPLIED


def test_who_may_only_look_replays_nothing():
    viewer, event = may("view_webhookevent"), received(sirvoy.booking())
    url = reverse("admin:bookings_webhookevent_replay", args=[event.pk])
    assert url not in viewer.get(page(event)).content.decode()
    assert viewer.post(url).status_code == 403
    viewer.post(EVENTS, {"action": "replay", "_selected_action": [event.pk]})
    assert WebhookEvent.objects.get().status == Status.RECEIVED


def test_events_are_nobodys_to_edit(chief):
    event = received(sirvoy.booking())
    assert chief.post(page(event), {"status": "applied"}).status_code == 403
    assert chief.post(reverse("admin:bookings_webhookevent_delete", args=[event.pk])).status_code == 403
