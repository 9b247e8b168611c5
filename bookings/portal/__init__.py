"""The guest's own pages. `door` lets him in by a secret address and knows him again by a cookie, `find` without an
address; `page` is his page, `report` where he says what is wrong, `receipt` what he used and what it costs, on paper.
`hub` and `consumer` keep open pages true.

Whatever is shown or done here is of the one stay that the cookie proves. No address of these pages holds a secret but
the first, which is left at once.
"""
