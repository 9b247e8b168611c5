-- What a flow of Node-RED fills: every reading, each meter's newest, and a sum for each hour.
CREATE TABLE reading (
    meter text, measured_at timestamptz, energy_kwh float8, power_w float8, voltage_v float8, current_a float8,
    relay boolean, linkquality integer,
    PRIMARY KEY (meter, measured_at)
);
CREATE TABLE meter_state (LIKE reading, PRIMARY KEY (meter));
CREATE TABLE hourly (
    meter text, hour timestamptz, first_kwh float8, last_kwh float8, readings integer,
    PRIMARY KEY (meter, hour)
);
