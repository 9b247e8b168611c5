"""Reception's pages in a real browser: found by keys alone, asked before power is cut, live, on a telephone."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from bookings import links
from bookings.models import Room, Stay
from meters.models import MeterState, Source, Want
from tests import make
from tests.bookings.test_reception import settled, sheet
from tests.meters import test_board_browser as boards

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
browser, page, server = boards.browser, boards.page, boards.server  # fixtures
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1400, "height": 900}
SIZES = [NARROW, WIDE]


@pytest.fixture
def person(transactional_db: None) -> User:
    """Whose page it is; and a worker that lives as long as the browser's clock may be put forward."""
    make.worker(heartbeat_at=timezone.now() + timedelta(hours=1))
    return make.superuser()


def fits(page: Page) -> bool:
    """Nothing is wider than the window, a phone's or a laptop's."""
    before = page.viewport_size
    assert before is not None
    found = True
    for size in SIZES:
        page.set_viewport_size(size)
        found = found and bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
    page.set_viewport_size(before)
    return found


def test_typing_finds_and_enter_opens_the_first(page: Page) -> None:
    settled("101")
    stay, _meter = settled("102")
    page.goto("/admin/reception/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("10")
    expect(page.locator("a.hit")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    expect(page.locator("a.hit").nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.type("2")
    expect(page.locator("a.hit")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{sheet(stay)}")
    expect(page.locator(".who h1")).to_have_text("Anna Müller")


def test_the_slash_leads_back_to_the_search(page: Page) -> None:
    stay, _meter = settled()
    page.goto(sheet(stay))
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    expect(page.locator("#find")).to_have_value("")


def test_enter_before_the_answer_came_finds_all_the_same(page: Page) -> None:
    stay, _meter = settled()
    page.goto("/admin/reception/")
    page.route("**/search/**", lambda route: route.abort())
    page.keyboard.type("101")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{sheet(stay)}")


def test_what_cuts_is_asked_once_more(page: Page) -> None:
    stay, meter = settled()
    page.goto(sheet(stay))
    form = page.locator(f"form[action$='/stay/{stay.pk}/off/']")
    form.locator("xpath=..").locator("summary").click()
    expect(form.locator("[name=reason]")).to_be_focused()
    page.keyboard.type("fire")
    page.keyboard.press("Enter")
    dialog = page.locator("#confirm")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text(str(meter))
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert not Want.objects.exists()
    form.locator("button").click()
    dialog.locator("button[value=yes]").click()
    page.wait_for_load_state()
    expect(page.locator(".outlet .what")).to_contain_text("fire")
    want = Want.objects.get()
    assert (want.source, want.state, want.reason) == (Source.STAFF, False, "fire")


def test_the_meters_state_follows_without_loading_the_page(page: Page) -> None:
    stay, meter = settled()
    page.goto(sheet(stay))
    expect(page.locator(".state")).to_have_attribute("data-relay", "on")
    MeterState.objects.filter(meter=meter).update(relay=False)
    page.clock.run_for(6_000)
    expect(page.locator(".state")).to_have_attribute("data-relay", "off")


def test_a_pitch_being_typed_is_not_taken_away_by_what_follows(page: Page) -> None:
    make.pitch("12")
    room = Room.objects.create(sirvoy_id=5, name="X", named_at=timezone.now())
    make.stay(None, booking=make.booking(), room=room, unclear=Stay.Unclear.UNKNOWN_ROOM)
    page.goto("/admin/reception/")
    field = page.locator(f"form[action$='/room/{room.pk}/'] input[name=pitch]")
    field.fill("12")
    page.locator("#find").focus()
    page.clock.run_for(6_000)
    expect(field).to_have_value("12")
    field.press("Enter")
    page.wait_for_load_state()
    expect(page.locator(f"form[action$='/room/{room.pk}/']")).to_have_count(0)
    room.refresh_from_db()
    assert room.pitch.number == "12"


def test_a_list_that_was_unfolded_to_be_read_follows_and_stays_unfolded(page: Page) -> None:
    meters = [settled(str(number), relay=False)[1] for number in range(5)]
    for meter in meters:
        make.want(meter, True, Source.POLICY, ago_s=300, until=timezone.now() + timedelta(hours=1), hold="observe")
    page.goto("/admin/reception/")
    many = page.locator("details.many")
    expect(many.locator("li").first).to_be_hidden()
    many.locator("summary").click()
    expect(many.locator("li")).to_have_count(5)
    MeterState.objects.filter(meter=meters[0]).update(relay=True)
    page.clock.run_for(6_000)
    expect(many.locator("li")).to_have_count(4)
    expect(many.locator("li").first).to_be_visible()
    expect(many.locator("summary")).to_be_focused()
    assert fits(page)


def test_nothing_is_wider_than_the_window(page: Page) -> None:
    stay, meter = settled("101", relay=False)
    stay.booking.guest.last_name = "Christoffersen-van-der-Bergh-Hohenlohe"
    stay.booking.guest.email = f"{'long' * 20}@example.com"
    stay.booking.guest.save()
    make.want(meter, True, Source.POLICY, ago_s=300, until=timezone.now() + timedelta(hours=1), hold="unasked_off")
    for url in ("/admin/reception/", sheet(stay), links.path(links.make(stay, None))):
        page.goto(url)
        expect(page.locator("main, .reception").first).to_be_visible()
        assert fits(page), url


def test_the_card_opens_beside_and_prints(page: Page) -> None:
    stay, _meter = settled()
    page.context.add_init_script("window.print = () => { window.printed = true; }")
    page.goto(sheet(stay))
    with page.context.expect_page() as opened:
        page.locator("form[target=_blank] button").click()
    card = opened.value
    card.wait_for_load_state()
    expect(card.locator("svg.qr")).to_be_visible()
    assert card.evaluate("window.printed")


def test_a_new_webhook_address_is_copied_with_one_click(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/admin/bookings/webhooktoken/add/")
    page.locator("input[name=name]").fill("Sirvoy")
    page.keyboard.press("Enter")
    page.locator("[data-copies]").click()
    expect(page.get_by_role("status").filter(visible=True)).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#address").input_value()


def test_what_the_browser_did_not_copy_is_not_said_to_be_copied(page: Page) -> None:
    page.add_init_script(
        "Navigator.prototype.__defineGetter__('clipboard', () => null); document.execCommand = () => false;"
    )
    page.goto("/admin/bookings/webhooktoken/add/")
    page.locator("input[name=name]").fill("Sirvoy")
    page.keyboard.press("Enter")
    page.locator("[data-copies]").click()
    expect(page.locator("#address")).to_be_focused()
    expect(page.locator("#copied")).to_be_empty()


def test_what_was_refused_stands_in_its_form_again(page: Page) -> None:
    stay, _meter = settled()
    page.goto(sheet(stay))
    page.locator("details.act", has=page.locator('form[action$="/add/"]')).locator("summary").click()
    page.locator('form[action$="/add/"] input[name=number]').fill("99")
    page.keyboard.press("Enter")
    expect(page.locator('form[action$="/add/"] input[name=number]')).to_have_value("99")
    expect(page.locator('form[action$="/add/"] input[name=number]')).to_be_focused()
    expect(page.locator("details.act[open]")).to_contain_text("There is no outlet")


def test_a_refusal_stands_until_it_is_read_although_what_is_around_it_follows(page: Page) -> None:
    make.tariff()
    stay, _meter = settled()
    make.used(stay, "10")
    page.goto(sheet(stay))
    make.used(stay, "1")
    page.locator('form[action$="/charge/"] button').click()
    refusal = page.locator("[data-live=bill] .errornote")
    expect(refusal).to_contain_text("Meanwhile it is")
    make.used(stay, "1")
    page.clock.run_for(6_000)
    expect(page.locator('form[action$="/charge/"] [name=expected]')).to_have_value("54.00")
    expect(refusal).to_contain_text("Meanwhile it is")
