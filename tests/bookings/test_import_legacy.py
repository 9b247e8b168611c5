"""The former system is brought over: shown first, done once, never against what is known here.

The files of tests/bookings/legacy are shaped like its exports, with all that was wrong in them; the people are
invented. @-2 stands for the day before yesterday.
"""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from bookings import ledger
from bookings.models import Booking, Guest, PackageSale, Stay, StayMeter
from meters import clock, online, snapshots
from meters.ingest import Ingest
from meters.models import Area, CounterEpoch, Device, Installation, Meter, Pitch
from tests import make
from tests.meters import messages

EXAMPLES = Path(__file__).parent / "legacy"
pytestmark = pytest.mark.django_db


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The former system's exports, of days around today."""
    today = clock.day_of(timezone.now())

    def dated(found: re.Match[bytes]) -> bytes:
        return (today + timedelta(days=int(found[1]))).isoformat().encode()

    for example in EXAMPLES.iterdir():
        content = re.sub(rb"(?<![\w.])@(-?\d+)", dated, example.read_bytes())
        (tmp_path / example.name).write_bytes(content)
    return tmp_path


@pytest.fixture
def at() -> datetime:
    """When it was exported: the counters were told the evening before."""
    return timezone.now() - timedelta(hours=1)


def run(files: Path, at: datetime, *options: str, names: str = "*") -> str:
    out = StringIO()
    if not User.objects.filter(username="anna").exists():
        make.staff("anna")
    paths = [str(path) for path in sorted(files.glob(names))]
    call_command("import_legacy", *paths, "--exported", at.isoformat(), "--by", "anna", *options, stdout=out)
    return out.getvalue()


def everything() -> list[int]:
    models = (Area, Pitch, Device, Meter, Installation, CounterEpoch, Booking, Guest, Stay, StayMeter, PackageSale)
    return [model.objects.count() for model in models]


def meter(name: str) -> Meter:
    return Meter.objects.get(device__friendly_name=name)


def hangs(name: str) -> str:
    return Installation.objects.get(meter=meter(name)).pitch.number


# --- shown, done, done again -----------------------------------------------------------------------------------------


def test_a_dry_run_tells_everything_and_changes_nothing(files: Path, at: datetime):
    before = everything()
    told = run(files, at)
    assert "area zigbee2mqtt" in told
    assert "Nothing was changed: that needs --apply." in told
    assert everything() == before
    assert not LogEntry.objects.exclude(object_repr="anna").exists()


def test_what_a_dry_run_shows_is_what_is_done(files: Path, at: datetime):
    shown, done = run(files, at, "--all"), run(files, at, "--all", "--apply")
    assert shown.replace("Nothing was changed: that needs --apply.", "Done.") == done


def test_a_second_run_changes_nothing(files: Path, at: datetime):
    run(files, at, "--apply")
    before = everything()
    told = run(files, at, "--apply", "--all")
    assert everything() == before
    made = told.partition("What made\n---------\n")[2].partition("\nWhat left alone")[0]
    assert made.strip() == ""


def test_what_staff_changed_since_stays(files: Path, at: datetime):
    run(files, at, "--apply")
    Area.objects.filter(base_topic="zigbee2mqtt").update(name="Reception")
    Pitch.objects.filter(number="101").update(kind=Pitch.Kind.SEASONAL)
    Pitch.objects.get(number="41").delete()
    Installation.objects.filter(meter=meter("Kontor")).delete()
    elsewhere = make.installed(meter("Kontor"), Pitch.objects.get(number="vaskeplads"))
    told = run(files, at, "--apply", "--all")
    assert Area.objects.get(base_topic="zigbee2mqtt").name == "Reception"
    assert Pitch.objects.get(number="101").kind == Pitch.Kind.SEASONAL
    assert not Pitch.objects.filter(number="41").exists()
    assert list(Installation.objects.filter(meter=meter("Kontor"))) == [elsewhere]
    assert "pitch 41 (old.sql:53): was deleted here" in told


def test_who_did_it_is_noted(files: Path, at: datetime):
    run(files, at, "--apply")
    for noted in (Area.objects.first(), Pitch.objects.first(), meter("101"), Installation.objects.first()):
        assert LogEntry.objects.get_for_object(noted).first().actor.username == "anna"
    assert PackageSale.objects.first().by.username == "anna"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--exported", "2020-01-01T00:00", "--by", "nobody"], "There is no user nobody"),
        (["--exported", "tomorrow", "--by", "anna"], "must be like"),
        (["--exported", "2199-01-01T00:00", "--by", "anna"], "in the future"),
        (["--exported", "2020-01-01T00:00", "--by", "anna", "--column", "meters.x=y"], "TABLE.THEIRS=OURS"),
    ],
)
def test_what_makes_no_sense_is_refused(files: Path, options: list[str], why: str):
    make.staff("anna")
    with pytest.raises(CommandError, match=why):
        call_command("import_legacy", str(files / "old.sql"), *options)


def test_a_file_that_cannot_be_told_is_refused_and_can_be_named(files: Path, at: datetime):
    other = files / "x.csv"
    other.write_text("nummer,cabin_number,maaler\n1,26,Hytte 26\n")
    with pytest.raises(CommandError, match="whose rows are these"):
        run(files, at, names="x.csv")
    out = StringIO()
    named = ["import_legacy", f"cabins={other}", "--exported", at.isoformat(), "--by", "anna"]
    call_command(*named, "--column", "cabins.maaler=meter", "--apply", stdout=out)
    assert "cabins: 1 rows; cabin_number → number, maaler → meter" in out.getvalue()
    assert "columns that nobody knows: nummer" in out.getvalue()
    assert Pitch.objects.get().number == "26"


# --- areas, pitches, meters ------------------------------------------------------------------------------------------


def test_new_areas_only_observe_and_are_not_in_service(files: Path, at: datetime):
    run(files, at, "--apply", names="old.sql")
    assert sorted(Area.objects.values_list("base_topic", "control", "in_service")) == [
        ("zigbee2mqtt", "observe", False),
        ("zigbee2mqtt_area2", "observe", False),
    ]


def test_pitches_come_of_meters_cabins_and_guests(files: Path, at: datetime):
    run(files, at, "--apply")
    kinds = dict(Pitch.objects.values_list("number", "kind"))
    assert kinds == {
        **{"101": "touring", "201": "touring", "205": "touring", "F1": "seasonal"},
        **{"26": "cabin", "35": "cabin", "41": "cabin", "Kontor": "service", "vaskeplads": "service"},
    }
    assert Pitch.objects.get(number="26").aliases == ["Hytte 26"]
    assert (Pitch.objects.get(number="101").map_x, Pitch.objects.get(number="101").map_y) == (12.5, 40)


def test_meters_hang_where_the_files_say(files: Path, at: datetime):
    run(files, at, "--apply")
    assert (hangs("101"), hangs("101,2"), hangs("Ude/Inde")) == ("101", "101", "201")
    assert (hangs("Hytte 26"), hangs("Hytte 35"), hangs("F1")) == ("26", "35", "F1")
    assert not Installation.objects.filter(meter=meter("X1")).exists()
    assert Installation.objects.get(meter=meter("101")).period.lower == at


def test_names_that_lead_to_no_one_meter_are_told_with_what_to_do(files: Path, at: datetime):
    told = run(files, at, "--apply")
    assert "meter F9 gammel (old.sql:24): no file tells its address" in told
    assert "the files list it as 212 in zigbee2mqtt, 212 in zigbee2mqtt_area2" in told
    assert "meter_identity: an IEEE address has sixteen digits" in told
    assert not Device.objects.filter(friendly_name__in=["212", "F9 gammel", "F77"]).exists()


def test_of_a_name_that_was_exchanged_the_newer_meter_has_it(files: Path, at: datetime):
    told = run(files, at, "--apply", "--all")
    assert meter("X1").device.ieee_address == "0xa4c1380000000007"
    assert "0xa4c1380000000017 (old.sql:39): was X1 before 0xa4c1380000000007" in told


def test_a_meter_that_was_exchanged_since_is_a_question_and_no_second_one_is_made(files: Path, at: datetime):
    area = make.area("north", base_topic="zigbee2mqtt")
    make.meter("101", area=area, ieee="0xa4c13800000000ff")
    told = run(files, at, "--apply")
    assert "meter 101 (old.sql:32): 0xa4c13800000000ff has this name here" in told
    assert not Device.objects.filter(ieee_address="0xa4c1380000000001").exists()


def test_a_repeater_is_no_meter(files: Path, at: datetime):
    told = run(files, at, "--apply", "--all")
    assert "repeater - plads 207 v hæk (old.sql:44): is a repeater" in told
    assert not Device.objects.filter(friendly_name__startswith="repeater").exists()


def test_a_meter_that_no_area_lists_is_expected_and_never_online(files: Path, at: datetime):
    run(files, at, "--apply")
    make.worker()
    for each in online.statuses(timezone.now()).values():
        assert each.status == online.Status.OFFLINE


def test_the_inventory_adopts_what_was_brought_over(files: Path, at: datetime):
    run(files, at, "--apply")
    area = Area.objects.get(base_topic="zigbee2mqtt_area2")
    before = meter("Hytte 26").pk
    listed = messages.inventory(area.base_topic, messages.listed("hytte 26 ny", ieee="0xa4c1380000000004"))
    Ingest().process([listed])
    adopted = Meter.objects.select_related("device").get(pk=before)
    assert (adopted.device.friendly_name, adopted.device.removed_at) == ("hytte 26 ny", None)
    assert (adopted.device.has_relay, hangs("hytte 26 ny")) == (True, "26")


# --- counters --------------------------------------------------------------------------------------------------------


def test_a_counter_goes_on_from_what_it_told_last(files: Path, at: datetime):
    told = run(files, at, "--apply")
    assert CounterEpoch.objects.get(meter=meter("101")).last_wh == 858_320
    assert snapshots.energy_now([meter("101").pk])[meter("101").pk].kwh == 0
    assert "counter F1 (meter_readings_history_rows.csv:16): 301.750 kWh" in told


def test_what_is_odd_about_a_counter_is_told(files: Path, at: datetime):
    told = run(files, at, "--apply")
    assert "(1 without a counter, it fell 1 times)" in told
    assert "it has not moved since" in told
    assert "older than readings are kept (90 days): it begins anew" in told
    assert "counter f9gammel (meter_readings_history_rows.csv:24): 1 readings of a name that no meter has" in told


def test_a_meter_that_tells_its_counter_here_keeps_it(files: Path, at: datetime):
    known = make.meter("101", ieee="0xa4c1380000000001")
    make.counted(known, "3", at)
    told = run(files, at, "--apply", "--all")
    assert CounterEpoch.objects.get(meter=known).last_wh == 3000
    assert "counter 101: tells its counter here already" in told


def test_what_was_heard_just_now_does_not_make_a_meter_look_online(files: Path):
    now = timezone.now()
    row = f"1,101,{now - timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ},900"
    (files / "meter_readings_history_rows.csv").write_text(f"id,meter_id,time,energy\n{row}\n")
    told = run(files, now, "--apply", "--all", names="*[lh]*")
    assert "counter 101 (meter_readings_history_rows.csv:2): was heard just now" in told
    assert not CounterEpoch.objects.exists()


# --- guests and packages ---------------------------------------------------------------------------------------------


def test_who_is_here_or_comes_is_brought_over_and_nobody_else(files: Path, at: datetime):
    run(files, at, "--apply")
    states = dict(Stay.objects.values_list("booking__sirvoy_id", "status"))
    here = Stay.Status.IN_HOUSE
    assert states == {48001: here, 48002: here, 48005: here, 48006: Stay.Status.EXPECTED, 48008: here}
    assert Stay.objects.get(booking__sirvoy_id=48002).is_season
    assert not Guest.objects.filter(last_name__in=["Guest", "Omvendt"]).exists()


def test_of_a_guest_only_what_the_webhook_tells_is_kept(files: Path, at: datetime):
    run(files, at, "--apply")
    guest = Guest.objects.get(booking__sirvoy_id=48001)
    assert (str(guest), guest.email, guest.plates) == ("Åse Sørensen", "aase@example.com", "")
    assert str(Guest.objects.get(booking__sirvoy_id=48002)) == "Bent O'Prøve"


def test_a_report_names_no_guest(files: Path, at: datetime):
    told = run(files, at, "--all")
    assert not re.search("Åse|Sørensen|Bent|Prøve|Uwe|example.com|0000001;", told)


def test_what_was_used_before_stands_in_the_stay_with_where_it_comes_from(files: Path, at: datetime):
    run(files, at, "--apply")
    stay = Stay.objects.get(booking__sirvoy_id=48001)
    assert dict(stay.corrections.values_list("reason", "energy_kwh")) == {
        "Former system, 101: from 850.000 to 858.320 kWh": Decimal("8.320"),
        "Former system, 101,2: from 11.500 to 12.250 kWh": Decimal("0.750"),
        "Former system, meters before: 3.500 kWh": Decimal("3.500"),
    }
    assert ledger.used_kwh([stay]).kwh == Decimal("12.570")


def test_the_ledger_goes_on_where_the_former_system_ended(files: Path, at: datetime):
    run(files, at, "--apply")
    known = meter("101")
    area = Area.objects.get(base_topic="zigbee2mqtt")
    now = timezone.now()
    told = messages.inventory(area.base_topic, messages.listed("101", ieee=known.device.ieee_address))
    state = {"linkquality": 90, "last_seen": now.isoformat(), "energy": 860.32}
    Ingest().process([told, messages.message(f"{area.base_topic}/101", state)._replace(received_at=now)])
    snapshots.settle_due(now)
    stay = Stay.objects.get(booking__sirvoy_id=48001)
    assert Decimal("12.570") < ledger.used_kwh([stay]).kwh < Decimal("14.570")


def test_what_our_ledger_has_counted_is_not_counted_twice(files: Path, at: datetime):
    known = make.meter("101", ieee="0xa4c1380000000001")
    pitch = make.pitch("101")
    make.installed(known, pitch, since=at - timedelta(days=2))
    make.counted(known, "3", at)
    booking = make.booking(sirvoy_id=48001, is_checked_in=True)
    stay = make.stay(pitch, booking=booking, status=Stay.Status.IN_HOUSE, began_at=at - timedelta(days=2))
    make.line(stay, known, pitch=pitch, since=at - timedelta(days=2))
    told = run(files, at, "--apply", "--all")
    assert "booking 48001 (regular_customers_rows.csv:2): is known here" in told
    assert "used before 48001 101" in told
    assert "used before 48001 meters before: 3.5" in told.partition("What could not be decided")[2]
    assert not stay.corrections.exclude(reason__startswith="Former system, 101,2:").exists()


def test_what_was_used_on_an_earlier_meter_is_noted_once_however_often_it_is_exported(files: Path, at: datetime):
    run(files, at, "--apply")
    told = run(files, at + timedelta(minutes=30), "--apply", "--all")
    assert "used before 48001 meters before: is here" in told
    assert Stay.objects.get(booking__sirvoy_id=48001).corrections.count() == 3


def test_what_was_used_is_not_reckoned_over_a_fall_of_the_counter(files: Path, at: datetime):
    history = files / "meter_readings_history_rows.csv"
    history.write_bytes(history.read_bytes().replace(b",855.5,", b",3.5,"))  # the evening after the check-in
    told = run(files, at, "--apply").partition("What could not be decided")[2]
    assert "used before 48001 101 (regular_customers_rows.csv:2): its counter fell on" in told
    assert not Stay.objects.get(booking__sirvoy_id=48001).corrections.filter(reason__contains="850").exists()


def test_what_was_used_is_not_reckoned_over_two_meters_of_one_name(files: Path, at: datetime):
    history, guests = files / "meter_readings_history_rows.csv", files / "regular_customers_rows.csv"
    history.write_bytes(history.read_bytes() + f'100,"X1",{at - timedelta(hours=9):%Y-%m-%d %H:%M:%SZ},40\n'.encode())
    guests.write_bytes(guests.read_bytes().replace(b";X1;;", b";X1;2,5;"))
    told = run(files, at, "--apply").partition("What could not be decided")[2]
    assert "used before 48008 X1 (regular_customers_rows.csv:6): two meters have had its name" in told


def test_since_when_a_guest_had_his_meter_is_not_guessed(files: Path, at: datetime):
    rows = files / "regular_customers_rows.csv"
    rows.write_bytes(re.sub(rb"(;101;850,00;)[^;]*", rb"\1", rows.read_bytes()))
    known = make.meter("101", ieee="0xa4c1380000000001")
    stay = make.stay(make.pitch("101"), booking=make.booking(sirvoy_id=48001, is_checked_in=True), began_at=at)
    make.line(stay, known, pitch=stay.pitch, since=at - timedelta(hours=2))
    told = run(files, at, "--apply", "--all")
    assert "since when the guest had it is not told" in told
    assert "all of it is counted here" not in told


def test_a_value_that_is_newer_than_the_export_is_a_question(files: Path):
    now = timezone.now()
    row = f"1,101,{now - timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ},900"
    (files / "meter_readings_history_rows.csv").write_text(f"id,meter_id,time,energy\n{row}\n")
    told = run(files, now - timedelta(hours=2), "--apply").partition("What could not be decided")[2]
    assert "counter 101 (meter_readings_history_rows.csv:2): its last value is newer than the export" in told
    assert "used before 48001 101 (regular_customers_rows.csv:2): its last value is newer than the export" in told
    assert not CounterEpoch.objects.filter(meter=meter("101")).exists()


def test_a_package_of_which_nothing_is_told_costs_no_other(files: Path, at: datetime):
    (files / "plugin_data_rows.csv").write_text("id,module,data\n1,pakker,\n")
    assert "plugin_data_rows.csv:2: plugin_data: this JSON cannot be read" in run(files, at)


def test_a_chosen_outlet_stays_the_guests(files: Path, at: datetime):
    run(files, at, "--apply")
    line = StayMeter.objects.get(stay__booking__sirvoy_id=48008)
    assert (str(line.meter), line.pitch, line.period.lower) == ("X1", None, at)


def test_packages_that_are_not_used_up_go_on_and_cost_nothing_again(files: Path, at: datetime):
    run(files, at, "--apply")
    sold = PackageSale.objects.order_by("booking__sirvoy_id").values_list("booking__sirvoy_id", "energy_kwh", "price")
    assert list(sold) == [(48001, 20, 0), (48002, 100, 0)]
    assert "90.00 paid there" in PackageSale.objects.get(booking__sirvoy_id=48001).reason


def test_rows_that_cannot_be_read_are_told_and_cost_no_other(files: Path, at: datetime):
    told = run(files, at)
    assert "regular_customers_rows.csv:7: regular_customers: this is no number" in told
    assert "regular_customers_rows.csv:8: regular_customers: the departure is before the arrival" in told
    assert "seasonal.sql:13: seasonal_customers: the file does not name its columns" in told
    assert "plugin_data_rows.csv:5: plugin_data: this JSON cannot be read" in told
    assert "columns that nobody knows: standplads_farve" in told
    assert "approved_plates: 2 rows, not needed" in told
    assert "1 times tell no zone: they were taken for the campsite's" in told
    assert "rows that cannot be read: 6" in told
