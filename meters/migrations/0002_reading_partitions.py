from django.db import migrations

# The columns stand by size, so that no padding is stored: 64 bytes a row. No DEFAULT partition: it would make
# ATTACH scan and lock. The states and hours leave room in their pages, so that updates stay within the page (HOT).
FORWARD = """
CREATE TABLE meters_reading (
    measured_at timestamptz NOT NULL,
    meter_id    integer     NOT NULL,
    counter_wh  integer,
    power_w     integer,
    current_ma  integer,
    epoch       smallint,
    voltage_dv  smallint,
    linkquality smallint,
    relay       boolean,
    PRIMARY KEY (meter_id, measured_at)
) PARTITION BY RANGE (measured_at);
ALTER TABLE meters_meterstate SET (fillfactor = 50);
ALTER TABLE meters_hourlyusage SET (fillfactor = 80);
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, "DROP TABLE meters_reading")]
