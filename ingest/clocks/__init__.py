"""Devices whose clocks are wrong: readings held back, offsets recognised, corrections applied."""
