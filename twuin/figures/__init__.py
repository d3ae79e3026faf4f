"""What dashboards show beside readings: the state of DMAs, sensors and alerts, losses, ingest, Twuin itself.

It is worked out from what pages show and written into InfluxDB (docs/store.md), each point under a key of its
own, so that writing again changes nothing.
"""
