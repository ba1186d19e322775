"""How much of a position encoding is idle: closed forms on numpy alone, no run and no model.

encodings.py writes a sinusoidal encoding (or a rotary one, whose cosines and sines are the same
numbers) as frequencies and phases; idle.py measures it; base_bound.py bounds a rotary base.
"""
