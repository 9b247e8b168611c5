"""What a technician does beside the stand, on a phone: devices join, are told apart, named, put up, exchanged, removed.

`door` opens areas for new devices, `stages` says how far a device has come, `acts`, `reporting` and `exchange` hold
what is done to one; `find`, `labels` and `reminders` help; `pages`, `device_pages` and `exchange_pages` show it. How
far somebody has come stands in the tables and in the address, never in the page: a phone may fall asleep.
"""
