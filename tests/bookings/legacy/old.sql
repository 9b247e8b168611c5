--
-- PostgreSQL database dump
--

-- Dumped from database version 17.4
-- Dumped by pg_dump version 17.4

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SELECT pg_catalog.set_config('search_path', '', false);

--
-- Data for Name: power_meters; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.power_meters (id, meter_number, spot_number, is_available, mqtt_topic, last_reading, power_status, is_online, map_x, map_y, standplads_farve) FROM stdin;
0b5e0000-0000-4000-8000-000000000001	101	101	f	zigbee2mqtt/101	858.30	ON	t	12.5	40	\N
0b5e0000-0000-4000-8000-000000000002	101,2	\N	t	zigbee2mqtt/101,2	12.00	OFF	t	\N	\N	blå
0b5e0000-0000-4000-8000-000000000003	F1	\N	f	zigbee2mqtt_area2/F1	301.70	ON	t	\N	\N	\N
0b5e0000-0000-4000-8000-000000000004	Hytte 26	\N	f	zigbee2mqtt_area2/Hytte 26	77.10	ON	t	\N	\N	\N
0b5e0000-0000-4000-8000-000000000005	hytte 35	\N	t	zigbee2mqtt_area2/hytte 35	5.00	OFF	t	\N	\N	\N
0b5e0000-0000-4000-8000-000000000006	Kontor	Kontor	f	zigbee2mqtt/Kontor	4012.90	ON	t	\N	\N	\N
0b5e0000-0000-4000-8000-000000000007	X1	\N	t	zigbee2mqtt/X1	\N	OFF	t	\N	\N	\N
0b5e0000-0000-4000-8000-000000000008	F9 gammel	\N	t	zigbee2mqtt_area2/F9 gammel	9.00	OFF	t	\N	\N	\N
0b5e0000-0000-4000-8000-000000000009	vaskeplads	vaskeplads	f	zigbee2mqtt/vaskeplads	640.00	ON	t	\N	\N	\N
0b5e0000-0000-4000-8000-000000000010	Ude/Inde	201	t	zigbee2mqtt_area2/Ude/Inde	1.00	OFF	t	\N	\N	\N
0b5e0000-0000-4000-8000-000000000011	212	\N	f	zigbee2mqtt/212	90.00	ON	t	\N	\N	\N
\.


COPY public.meter_identity (ieee_address, meter_number, base_topic, model, availability, last_seen, created_at, updated_at) FROM stdin;
0xa4c1380000000001	101	zigbee2mqtt	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c1380000000002	101,2	zigbee2mqtt	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c1380000000003	F1	zigbee2mqtt_area2	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c1380000000004	Hytte 26	zigbee2mqtt_area2	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c1380000000005	Hytte 35	zigbee2mqtt_area2	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c1380000000006	Kontor	zigbee2mqtt	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c1380000000007	X1	zigbee2mqtt	TS011F	online	@-3 12:00:00+00	@-200 08:00:00+00	\N
0xa4c1380000000017	X1	zigbee2mqtt	TS011F	online	@-90 12:00:00+00	@-200 08:00:00+00	\N
0xa4c1380000000009	vaskeplads	zigbee2mqtt	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c138000000000a	Ude/Inde	zigbee2mqtt_area2	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c138000000000b	212	zigbee2mqtt	TS011F	online	@-2 12:00:00+00	@-200 08:00:00+00	\N
0xa4c138000000000b	212	zigbee2mqtt_area2	TS011F	online	@-2 12:00:00+00	@-200 08:00:00+00	\N
0xa4c138000000000c	repeater - plads 207 v hæk	zigbee2mqtt_area2	ZGA004	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
0xa4c138zz	F77	zigbee2mqtt	TS011F	online	@-1 12:00:00+00	@-200 08:00:00+00	\N
\.


COPY public.cabins (id, cabin_number, name, cabin_type, meter_id, is_active) FROM stdin;
0b5e0000-0000-4000-8000-000000000101	26	Hytte 26	familie	Hytte 26	t
0b5e0000-0000-4000-8000-000000000102	35	Hytte 35	\N	hytte 35	t
0b5e0000-0000-4000-8000-000000000103	40	Hytte 40	\N	\N	f
0b5e0000-0000-4000-8000-000000000104	41	Hytte 41	\N	\N	t
\.


COPY public.booking_extra_meters (id, booking_type, booking_id, meter_id, meter_start_energy, meter_start_time) FROM stdin;
0b5e0000-0000-4000-8000-000000000201	regular	0b5e0000-0000-4000-8000-000000000301	101,2	11.50	@-2 15:00:00+00
\.


COPY public.approved_plates (id, plate_text, notes) FROM stdin;
1	AB12345	kunde med\ttab og \\ tegn
2	CD99	\N
\.


SELECT pg_catalog.setval('public.meter_readings_id_seq', 4711, true);
