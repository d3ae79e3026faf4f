"""Losses of water by the books: night flow and its parts, water balance, indicators, pressure, economics.

Flows are [m3/s] and pressures [m] inside; the books' own units stand in the constants' names. NaN means not
known, and whatever needs it is then not known either.
"""
