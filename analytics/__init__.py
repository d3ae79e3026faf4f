"""Pure numerics of a water network: arrays in, arrays or small named tuples out, SI units inside.

Only NumPy and SciPy; no clock, no files, no settings. docs/analytics.md explains the methods; each module
names its sources.
"""
