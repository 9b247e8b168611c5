"""The former system's guests and packages, brought over once; of a guest no more than the webhook would tell.

`customers` reads who is here or still comes, `bring` makes of it bookings, outlets, kWh used before, and packages, by
each table's own module. Who has left is not brought over at all.
"""
