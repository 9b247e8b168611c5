"""What the power of each meter should be by its guests, and making it so.

`policy` decides, and is pure; `facts` reads what that depends on; `follow` carries the decision to meters/commands;
`rules` makes the row of each kind of pitch.
"""
