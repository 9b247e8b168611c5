"""What is kept, for how long, and why; and the nightly job that forgets the rest.

`table` says it, with the verb of each owner; `others` has the verbs for tables of Django and its packages, which have
no owner of ours; `nightly` does it, the only writer of Forgetting.
"""
