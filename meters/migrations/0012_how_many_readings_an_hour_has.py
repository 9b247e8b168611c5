from django.db import migrations

# Counted once for the hours that are there; from now on each reading is counted as it is stored.
FORWARD = """
SET LOCAL statement_timeout = 0;
UPDATE meters_hourlyusage h SET readings = told.readings FROM (
    SELECT meter_id, date_trunc('hour', measured_at, 'UTC') AS hour, count(*) AS readings
    FROM meters_reading GROUP BY 1, 2
) told WHERE told.meter_id = h.meter_id AND told.hour = h.hour;
"""


class Migration(migrations.Migration):
    dependencies = [("meters", "0011_what_stays_of_the_readings")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
