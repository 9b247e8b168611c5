"""How staff log in: password, second step, which tries are refused, how long it lasts (docs/log-in.md).

Nobody is logged in until all that is asked of him is done. Until then the session only knows who it may become.
"""
