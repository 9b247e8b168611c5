"""Reception's pages in the admin: find a guest, see what is, and do what is to be done. They decide nothing.

`search` finds; `desk` and `sheet` read what the home page and a booking's page tell, `reports` what guests
reported; `pages` shows it; `forms` reads
what was typed; `actions` calls the verbs of stays, ledger, accounts, rooms, links and of meters' commands.
"""
