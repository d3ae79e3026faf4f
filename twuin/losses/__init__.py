"""Losses of a site over a stretch of time: windows of readings to the numerics of ``analytics.losses``."""
