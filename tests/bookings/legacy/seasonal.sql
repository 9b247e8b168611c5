--
-- PostgreSQL database dump
--

-- Dumped from database version 17.4
-- Dumped by pg_dump version 17.4

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

INSERT INTO public.seasonal_customers (id, booking_id, first_name, last_name, arrival_date, departure_date, checked_in, checked_out, spot_number, license_plates, meter_id, has_power_package, power_included_kwh, power_package_price, meter_start_energy, meter_start_time, email, phone) VALUES ('0b5e0000-0000-4000-8000-000000000302', 48002, 'Bent', 'O''Prøve', '@-60', '@30', true, false, 'F1', '{AB12345}', 'F1', true, 100.00, 350.00, 290.20, '@-60 10:00:00+00', 'bent@example.com', NULL);
INSERT INTO public.seasonal_customers VALUES ('0b5e0000-0000-4000-8000-000000000303', 48003, 'Uden', 'Kolonner', '@-60', '@30');
INSERT INTO public.seasonal_customers (id, booking_id, first_name, last_name, arrival_date, departure_date, checked_in, checked_out, spot_number, license_plates, meter_id, has_power_package, power_included_kwh, power_package_price, meter_start_energy, meter_start_time, email, phone) VALUES ('0b5e0000-0000-4000-8000-000000000304', 48004, 'Line', E'To\nlinjer; \'x\'', '@-90', '@-40', true, true, 'F2', NULL, NULL, false, NULL, NULL, NULL, NULL, NULL, NULL);
