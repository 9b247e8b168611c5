"""How dates and times are written where Django has another custom than the language."""
