"""The InfluxDB of the readings as a data source of Grafana, in InfluxQL mode."""

from __future__ import annotations

from typing import Any

from twuin.grafana.installation import Installation


def datasource_model(installation: Installation, uid: str, name: str) -> dict[str, Any]:
    """As ``POST /api/datasources`` takes it, without secrets.

    InfluxDB 2.x is asked in InfluxQL too: its token goes in a header of its own.
    """
    settings: dict[str, Any] = {"dbName": installation.database, "httpMode": "POST", "version": "InfluxQL"}
    if installation.influx_version == "2":
        settings["httpHeaderName1"] = "Authorization"
    model: dict[str, Any] = {
        "uid": uid,
        "name": name,
        "type": "influxdb",
        "access": "proxy",
        "url": installation.influx_url,
        "isDefault": False,
        "jsonData": settings,
    }
    if installation.influx_version != "2" and installation.username:
        model["user"] = installation.username
    return model


def datasource_secrets(installation: Installation) -> dict[str, str]:
    """Fields of ``secureJsonData``; ``${NAME}`` stands for a variable of Grafana's environment."""
    secret = f"${{{installation.secret_variable}}}"
    if installation.influx_version == "2":
        return {"httpHeaderValue1": f"Token {secret}"}
    return {"password": secret} if installation.username else {}
