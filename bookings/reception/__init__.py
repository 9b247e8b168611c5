"""Reception's pages in the admin: find a guest, see what is, and do what is to be done. They decide nothing.

`search` finds; `desk` and `sheet` read what the first page and a booking's page tell, `reports` what guests reported;
`pages` shows it. `forms` reads what was typed, `verbs` says what may be done with it, `actions` does it over HTTP.
"""
