"""The campsite's former system (PostgreSQL at Supabase), brought over once: what its exports hold becomes areas,
pitches, meters, where they hang, and the counters they started from. docs/legacy.md tells the day of the move.

`text`, `dump`, `sheet`, `columns`, `values` read files and know no table of ours; `found` says what was found in them;
`bring` makes what is missing here, by each table's own module. What is here already is never changed.
"""
