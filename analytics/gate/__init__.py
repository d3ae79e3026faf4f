"""Before leak logic: is the sensor telling the truth?

``gate.Gate`` goes over readings in time and finds sensors that are stuck, shifted, drifting, noisy, reversed,
impossible or of a wrong clock, and hours without supply. ``docs/sensor-faults.md`` explains the method.
"""
