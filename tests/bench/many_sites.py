"""How much memory and how many threads pages of many sites take in one process, and how soon they are there.

python tests/bench/many_sites.py [SITE FOLDER] [--sites 40]
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

from twuin.accounts.rights import Right
from twuin.accounts.service import By
from twuin.app import open_accounts
from twuin.db import open_database
from twuin.sites.installation import load_installation, load_member

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("sensors", "dmas", "alerts", "site")


def status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]


def get(port: int, host: str, path: str, token: str = "") -> int:
    headers = {"host": host} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as e:
        return e.code


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("site", nargs="?", type=Path, default=ROOT / "examples" / "ferrara")
    parser.add_argument("--sites", type=int, default=40)
    parser.add_argument("--port", type=int, default=18_180)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="twuin-many-"))
    (folder / "sites").mkdir()
    file = folder / "installation.toml"
    file.write_text(
        f'sites = "{folder}/sites"\ndata = "{folder}/data"\nsecrets = "{folder}/secrets"\n'
        f'domain = "water.example"\n[web]\nport = {asked.port}\n'
    )
    at, tokens = load_installation(file), {}
    for n in range(asked.sites):
        name = f"site{n:02d}"
        own = folder / "folders" / name
        shutil.copytree(asked.site, own)
        text = (own / "site.toml").read_text()
        (own / "site.toml").write_text(re.sub(r'^id = ".*"$', f'id = "{name}"', text, flags=re.MULTILINE))
        (folder / "sites" / f"{name}.toml").write_text(
            f'site = "{own}"\ndata_dir = "{folder}/data/{name}"\n[mqtt]\nstrays = false\n'
            f'[web]\npublic_url = "http://{name}.water.example"\n'
        )
        member = load_member(at, name)
        member.settings.data_dir.mkdir(parents=True)
        with closing(open_database(member.settings.database_url)) as database:
            accounts = open_accounts(member.settings, member.site, database)
            admin, _ = accounts.first(By("bench"))
            _, tokens[name] = accounts.add_token(
                admin, By("bench"), name="bench", rights=(Right.SEE,), days=1
            )
    began = time.monotonic()
    command = [sys.executable, "-m", "twuin", "--installation", str(file), "sites", "web"]
    web = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        for name in tokens:
            while True:
                try:
                    if get(asked.port, f"{name}.water.example", "/api/v1/health/live") == 200:
                        break
                except OSError:
                    pass
                time.sleep(0.05)
            if name in ("site00", "site09", f"site{asked.sites - 1:02d}"):
                mib = status(web.pid, "VmRSS") / 1024
                print(f"{name} there after {time.monotonic() - began:.1f} s, {mib:.0f} MiB", flush=True)
        for name, token in tokens.items():
            for page in PAGES:
                assert get(asked.port, f"{name}.water.example", f"/api/v1/{page}", token) == 200, (name, page)
        print(
            f"all asked: {status(web.pid, 'VmRSS') / 1024:.0f} MiB, {status(web.pid, 'Threads')} threads, "
            f"{len(list(Path(f'/proc/{web.pid}/fd').iterdir()))} open files"
        )
    finally:
        web.send_signal(signal.SIGTERM)
        print(f"ended with {web.wait(60)}")
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
