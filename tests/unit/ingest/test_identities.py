"""Identities of the broker: given once, taken away for good, and never half written."""

from __future__ import annotations

import base64
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ingest.access.grants import (
    FROM_DEVICE,
    TO_DEVICE,
    Grants,
    check_filter,
    of_device,
    of_foreign,
    of_ingest,
)
from ingest.access.identities import ACL, FILE, PASSWORDS, Identities, Role, hashed
from ingest.access.setup import password_file, prepare
from ingest.topics import Channel, build
from waterworks.errors import BrokerError, NotFound

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@pytest.fixture
def identities(tmp_path: Path) -> Identities:
    return Identities(tmp_path / "broker")


def add(identities: Identities, name: str, site: str = "malang", renew: bool = False) -> tuple[str, str]:
    made, secret = identities.add(Role.DEVICE, name, site, of_device(site, name), NOW, renew=renew)
    return made.user, secret


def test_every_channel_but_the_ingests_own_is_said_or_heard_by_devices_and_none_is_both() -> None:
    assert sorted((*FROM_DEVICE, *TO_DEVICE, Channel.HEARTBEAT)) == sorted(Channel)


def test_a_password_is_kept_as_mosquitto_keeps_it_and_nowhere_in_clear(identities: Identities) -> None:
    user, secret = add(identities, "d1")
    assert user == "d1"
    assert len(secret) == 24
    assert secret.isalnum()
    for path in identities.folder.iterdir():
        assert secret not in path.read_text()
        assert not stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO, path
    # Made by mosquitto_passwd of Mosquitto 2.0.11 for the password "secret".
    known = (
        "$7$101$0zfImZQqDLd6vrnU$"
        "/nNhXGO1dni0wftF0a0vIfkzskuz+1ImKjMeTPf29UVW48nCC15sHjJ7r1lXL3P/6HOsXoQ8zT6dfODFHPTYkQ=="
    )
    assert hashed("secret", base64.b64decode("0zfImZQqDLd6vrnU")) == known


def test_an_identity_is_given_once_and_anew_only_if_asked(identities: Identities) -> None:
    first = add(identities, "d1")
    with pytest.raises(BrokerError, match=r"d1 has an identity since 2026-03-01 \(user d1\); --renew"):
        add(identities, "d1")
    again = add(identities, "d1", renew=True)
    assert again[0] == first[0]
    assert again[1] != first[1]
    assert len((identities.folder / PASSWORDS).read_text().splitlines()) == 1


def test_what_is_revoked_is_out_of_the_brokers_files_and_stays_on_record(identities: Identities) -> None:
    add(identities, "d1")
    add(identities, "d2")
    identities.revoke("d1", NOW + timedelta(days=1))
    assert [line.split(":")[0] for line in (identities.folder / PASSWORDS).read_text().splitlines()] == ["d2"]
    assert "d1" not in (identities.folder / ACL).read_text()
    kept = {i.user: i for i in identities.all()}
    assert kept["d1"].revoked == NOW + timedelta(days=1)
    assert kept["d1"].hash == ""
    with pytest.raises(NotFound, match="d1 was revoked on 2026-03-02 08:00 UTC already"):
        identities.revoke("d1", NOW)
    with pytest.raises(NotFound, match="no identity 'd9' in"):
        identities.revoke("d9", NOW)
    assert add(identities, "d1")[0] == "d1", "and can be given again"


def test_devices_of_two_sites_with_one_name_have_two_user_names(identities: Identities) -> None:
    assert add(identities, "inlet", "malang")[0] == "inlet"
    assert add(identities, "inlet", "batu")[0] == "batu@inlet"
    with pytest.raises(BrokerError, match=r"has an identity since"):
        add(identities, "inlet", "batu")
    assert "twuin/batu/inlet/readings" in (identities.folder / ACL).read_text()
    identities.revoke("batu@inlet", NOW)
    assert [i.user for i in identities.all() if i.revoked is None] == ["inlet"]


def test_a_name_cannot_pass_for_a_service_nor_break_out_of_its_line(identities: Identities) -> None:
    assert add(identities, "@ingest-main")[0] == "%40ingest-main"
    assert add(identities, "a:b c#")[0] == "a%3Ab%20c%23"
    with pytest.raises(BrokerError, match="cannot be printed"):
        add(identities, "x\ntopic readwrite #")
    assert [
        line for line in (identities.folder / ACL).read_text().splitlines() if line == "topic read #"
    ] == []


@pytest.mark.parametrize(
    "topic",
    ["", " a", "a ", "a/#/b", "a#", "a+/b", "+a", "$SYS/#", "$share/x/a", "a\nb", "a\0", "x" * 65_536],
)
def test_what_is_no_filter_of_topics_is_refused(topic: str) -> None:
    with pytest.raises(BrokerError, match="is no filter of MQTT topics: "):
        of_foreign([topic])


@pytest.mark.parametrize("topic", ["#", "+", "a", "/a/", "a b/+/c", "a/+", "a/#", "ä/ö"])
def test_what_is_a_filter_of_topics_is_taken(topic: str) -> None:
    check_filter(topic)


def test_processes_that_add_at_the_same_time_lose_nothing(identities: Identities) -> None:
    names = [f"d{i}" for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: add(Identities(identities.folder), n), names))
    assert sorted(i.name for i in identities.all()) == sorted(names)
    assert len((identities.folder / PASSWORDS).read_text().splitlines()) == len(names)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"identities": [{}]}', '{"identities": 3}', "\xff"])
def test_a_file_that_is_damaged_is_named_and_left_alone(identities: Identities, content: str) -> None:
    identities.folder.mkdir()
    path = identities.folder / FILE
    path.write_text(content, encoding="latin-1")
    with pytest.raises(BrokerError, match=r"identities.json is not as Twuin writes it"):
        add(identities, "d1")
    assert path.read_text(encoding="latin-1") == content


def test_a_disk_that_is_full_changes_nothing(identities: Identities, monkeypatch: pytest.MonkeyPatch) -> None:
    add(identities, "d1")
    before = {p.name: p.read_bytes() for p in identities.folder.iterdir()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BrokerError, match=r"identities.json cannot be written: No space left on device"):
        add(identities, "d2")
    assert {n: (identities.folder / n).read_bytes() for n in before} == before


def test_setting_up_twice_changes_nothing_and_what_is_missing_is_made_again(tmp_path: Path) -> None:
    first = prepare(tmp_path, "malang", "main", ["localhost"], NOW)
    assert [line.split()[0] for line in first] == ["made"] * 4
    names = (FILE, PASSWORDS, ACL, "certs/server.crt", "ingest-main.password")
    before = [(tmp_path / name).read_bytes() for name in names]
    second = prepare(tmp_path, "malang", "main", ["localhost"], NOW)
    assert [line.split()[0] for line in second] == ["kept"] * 3
    assert [(tmp_path / name).read_bytes() for name in names] == before
    password_file(tmp_path, "main").unlink()
    assert "made an identity for ingest process main" in "\n".join(
        prepare(tmp_path, "malang", "main", ["localhost"], NOW)
    )
    with pytest.raises(
        BrokerError, match=r"ingest process main is that of site malang: give the one of batu"
    ):
        prepare(tmp_path, "batu", "main", ["localhost"], NOW)
    with pytest.raises(BrokerError, match="no group 'nobody-has-it'"):
        prepare(tmp_path, "malang", "main", ["localhost"], NOW, "nobody-has-it")


def test_rights_that_a_new_version_adds_reach_the_ingest_process_at_its_next_setup(tmp_path: Path) -> None:
    prepare(tmp_path, "malang", "main", ["localhost"], NOW)
    path = tmp_path / FILE
    kept = json.loads(path.read_text())
    next(i for i in kept["identities"] if i["role"] == "ingest")["read"] = ["twuin/#"]
    path.write_text(json.dumps(kept))
    said = prepare(tmp_path, "malang", "main", ["localhost"], NOW)
    assert any(line.startswith("made an identity for ingest process main") for line in said)
    made = next(i for i in Identities(tmp_path).all() if i.role is Role.INGEST)
    assert made.grants == of_ingest("malang")


def test_a_device_may_write_its_own_topics_and_those_it_was_given() -> None:
    assert of_device("malang", "d/1", ["pdam/#"]) == Grants(
        (*(build("malang", "d/1", c) for c in FROM_DEVICE), "pdam/#"),
        (*(build("malang", "d/1", c) for c in TO_DEVICE),),
    )


def test_an_edge_node_of_sparkplug_hears_commands_to_itself_and_no_others() -> None:
    assert of_foreign(["spBv1.0/PDAM/+/rtu-9/#", "spBv1.0/PDAM/+/+", "pdam/#"]).read == (
        "spBv1.0/PDAM/NCMD/rtu-9",
        "spBv1.0/PDAM/DCMD/rtu-9/+",
    )
    assert of_device("malang", "d1", ["spBv1.0/PDAM/NDATA/n"]).read[-2] == "spBv1.0/PDAM/NCMD/n"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[2J", "a\u202eb"])
def test_a_name_that_would_not_stand_on_one_line_gets_no_identity(identities: Identities, name: str) -> None:
    with pytest.raises(BrokerError, match="is no name"):
        identities.add(Role.MANAGER, name, "malang", Grants(), NOW)
    assert identities.all() == []


def test_folders_filled_by_several_at_once_hold_what_fits_together(tmp_path: Path) -> None:
    for k in range(5):
        folder = tmp_path / str(k)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _, f=folder: prepare(f, "malang", "main", ["broker"], NOW), range(4)))
        ca, server = (
            x509.load_pem_x509_certificate((folder / "certs" / name).read_bytes())
            for name in ("ca.crt", "server.crt")
        )
        server.verify_directly_issued_by(ca)
        lines = dict(line.split(":") for line in (folder / PASSWORDS).read_text().split())
        salt = base64.b64decode(lines["@ingest-main"].split("$")[3])
        assert hashed(password_file(folder, "main").read_text().strip(), salt) == lines["@ingest-main"]


def test_a_certificate_of_another_authority_that_has_ended_is_told(tmp_path: Path) -> None:
    prepare(tmp_path, "malang", "main", ["broker"], NOW)
    (tmp_path / "certs" / "ca.key").unlink()  # so it is not ours to renew
    said = prepare(tmp_path, "malang", "main", ["broker"], NOW + timedelta(days=800))
    assert any("that is past" in line for line in said)
    assert not any("that is past" in line for line in prepare(tmp_path, "malang", "main", ["broker"], NOW))
