"""The channel plan as staff see it."""

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import translation

from meters.models import Area
from tests import make

pytestmark = pytest.mark.django_db
WIFI = [1, 6, 11]


@pytest.fixture
def chief() -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make.superuser())
    return client


def page(client: Client) -> str:
    with translation.override("en"):
        answer = client.get(reverse("channel-plan"))
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def area(name: str, channel: int | None, devices: int = 1, wifi: list[int] = WIFI, **values: object) -> Area:
    made = make.area(name, wifi_channels=wifi, reported={"channel": channel}, **values)
    for _ in range(devices):
        make.meter(area=made)
    return made


def test_a_change_is_proposed_with_its_reasons_and_its_cost(chief: Client) -> None:
    area("North", 11, devices=3)
    html = page(chief)
    assert "1 area should change its channel." in html
    assert "<strong>15 instead of 11</strong>" in html
    assert (
        "Wi-Fi 1 covers 11. 15 is clear of Wi-Fi 1, 6 and 11. No area nearby uses 15. 3 devices have to follow." in html
    )


def test_where_nothing_disturbs_nothing_needs_changing(chief: Client) -> None:
    area("North", 20)
    html = page(chief)
    assert "Nothing needs changing." in html
    assert "20 is clear of Wi-Fi 1, 6 and 11. No area nearby uses 20." in html


def test_what_is_not_known_is_said(chief: Client) -> None:
    area("North", None, wifi=[])
    html = page(chief)
    assert "<strong>Begin with 11</strong>" in html
    assert "Has not told its channel" in html
    assert "Whether Wi-Fi disturbs it is not known." in html
    assert "No area says which ones are near it: all are taken for near each other." in html


def test_a_channel_that_is_none_of_zigbees_is_not_taken_for_one(chief: Client) -> None:
    area("North", 255)
    assert "Has not told its channel" in page(chief)


def test_a_channel_that_waits_for_a_restart_is_told(chief: Client) -> None:
    """As Zigbee2MQTT 2.14 tells it: bridge/info has the old one in `network`, the new one in `config`."""
    for name, channel in (("North", 20), ("South", 11), ("East", "20"), ("West", 0)):
        make.area(name, reported={"channel": 11, "configuration": {"advanced": {"channel": channel}}})
    assert page(chief).count("from its next start on") == 1


def test_areas_that_are_not_near_may_share(chief: Client) -> None:
    north, south = area("North", 11, wifi=[]), area("South", 11, devices=0, wifi=[])
    assert "<strong>15 instead of 11</strong>" in page(chief)
    assert "11 is shared with North." in page(chief)
    far = area("Far", 20, wifi=[])
    north.neighbours.add(far)
    south.neighbours.add(far)
    assert "Nothing needs changing." in page(chief)


def test_what_is_removed_has_not_to_follow(chief: Client) -> None:
    north = area("North", 11, devices=1)
    north.devices.update(removed_at="2026-01-01T00:00Z")
    assert "It has no devices yet: now the change costs nothing." in page(chief)


def test_the_drawing_has_each_channel_once_and_tells_the_same_in_words(chief: Client) -> None:
    area("North", 11, expected_channel=25)
    area("South", 20, expected_channel=20)
    html = page(chief)
    drawing = html[html.index("<svg") : html.index("</figure>")]
    assert 'class="bar today covered"' in drawing
    assert 'class="bar proposed"' in drawing
    assert 'class="bar planned"' in drawing
    assert drawing.count('class="bar today"') == 1
    assert drawing.count('class="wifi"') == 6
    assert "North: 15 instead of 11. Wi-Fi 1 covers 11." in drawing[: drawing.index("</desc>")]


def test_names_are_only_text(chief: Client) -> None:
    area("<script>alert(1)</script>", 11, devices=0)
    area("<b>", 11, devices=0)
    html = page(chief)
    assert "<script>alert" not in html
    assert "<b>" not in html


def test_it_needs_the_right_to_see_areas_and_is_only_read(chief: Client) -> None:
    client = Client()
    client.force_login(make.staff())
    assert client.get(reverse("channel-plan")).status_code == 403
    assert chief.post(reverse("channel-plan")).status_code == 405


def test_the_number_of_queries_does_not_grow(chief: Client, django_assert_num_queries) -> None:
    for count in (1, 4):
        for _ in range(count):
            made = make.area(wifi_channels=WIFI, reported={"channel": 11})
            made.neighbours.set(Area.objects.exclude(pk=made.pk))
            make.meter(area=made)
        with django_assert_num_queries(4):
            page(chief)


def test_which_areas_are_near_is_entered_at_the_area_and_goes_both_ways(chief: Client) -> None:
    north, south = area("North", 11), area("South", 11)
    form = chief.get(reverse("admin:meters_area_change", args=[north.pk])).content.decode()
    assert f'name="neighbours" value="{south.pk}"' in form
    assert f'name="neighbours" value="{north.pk}"' not in form
    told = {
        **{name: getattr(north, name) for name in ("name", "slug", "base_topic", "most_unanswered")},
        **{"neighbours": [south.pk], "wifi_channels": "1,6,11", "commands_per_s": "4", "expected_channel": ""},
        **{"state-TOTAL_FORMS": 0, "state-INITIAL_FORMS": 0},
    }
    answer = chief.post(reverse("admin:meters_area_change", args=[north.pk]), told)
    assert answer.status_code == 302, answer.content.decode()
    assert list(south.neighbours.all()) == [north]
    assert "South" in str(LogEntry.objects.get_for_object(north).first().changes["neighbours"])
