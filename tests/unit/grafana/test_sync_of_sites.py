"""Two utilities' dashboards in one Grafana: each has its own, which read its own database as its own user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SETTINGS = """site = "{folder}"
data_dir = "{data}"

[web]
public_url = "https://{name}.water.example"

[store]
kind = "influxdb"
version = "1"
url = "http://127.0.0.1:8086"
database = "twuin-{name}"
username = "twuin-{name}"
"""


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sites").mkdir()
    for name in ("kota", "desa"):
        folder = tmp_path / "folders" / name
        folder.mkdir(parents=True)
        (folder / "site.toml").write_text(f'id = "{name}"\nname = "PDAM {name}"\ntimezone = "Asia/Jakarta"\n')
        (folder / "dmas.csv").write_text("id,name,connections\nD1,Pusat,900\n")
        (folder / "sensors.csv").write_text("id,quantity,unit,dma,device,role\nD1-IN,flow,m3/h,D1,R,inlet\n")
        said = SETTINGS.format(folder=folder, data=tmp_path / "data" / name, name=name)
        (tmp_path / "sites" / f"{name}.toml").write_text(said)
    file = tmp_path / "installation.toml"
    file.write_text(f'sites = "{tmp_path}/sites"\ndata = "{tmp_path}/data"\nsecrets = "{tmp_path}/secrets"\n')
    monkeypatch.setenv("TWUIN_INSTALLATION", str(file))
    monkeypatch.setenv("TWUIN_GRAFANA_TOKEN", "glsa_admin_0123456789")


@pytest.mark.usefixtures("installation")
def test_each_gets_its_own_and_leaves_the_others(
    twuin: Any, grafana: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(name: str) -> str:
        monkeypatch.setenv("TWUIN_INFLUX_TOKEN", f"may-read-{name}")
        flags = ("--url", grafana.url, "--lang", "id", "--influx-user", f"twuin-{name}-read")
        status, out, _ = twuin("--of", name, "grafana", "sync", *flags)
        assert status == 0, out
        return str(out)

    sync("kota")
    of_kota, written = set(grafana.dashboards), len(grafana.writes)
    sync("desa")
    of_desa = set(grafana.dashboards) - of_kota
    assert len(of_desa) == len(of_kota) > 3
    assert len(grafana.writes) == 2 * written
    sources = grafana.datasources.values()
    assert {(s["user"], s["jsonData"]["dbName"]) for s in sources} == {
        ("twuin-kota-read", "twuin-kota"),
        ("twuin-desa-read", "twuin-desa"),
    }
    for name, uids in (("kota", of_kota), ("desa", of_desa)):
        other = {"kota": "desa", "desa": "kota"}[name]
        own = [uid for uid, s in grafana.datasources.items() if s["user"] == f"twuin-{name}-read"]
        for uid in uids:
            text = str(grafana.dashboards[uid])
            assert f"https://{name}.water.example" in text or own[0] in text
            assert f"twuin-{other}" not in text and f"{other}.water" not in text
    assert sync("kota").startswith("Nothing to change")
    assert sync("desa").startswith("Nothing to change")
