"""Where a network keeps the order of its tokens: pure functions of tensors, in float64.

`order.measure_order` runs all of them on a model; each other file holds one. What is undefined (a
constant unit, a single column, a value that is not finite) is None, never nan.
"""
