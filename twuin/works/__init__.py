"""Planned works and known events: entered by people, so that what they explain is not taken for leaks."""
