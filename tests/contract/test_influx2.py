"""What only InfluxDB 2.x has: organisations, tokens, buckets. Runs where TWUIN_TEST_INFLUX_URL, _TOKEN and
_ORG name one whose token may make buckets and tokens; it deletes what it makes.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from influxdb_client import Permission, PermissionResource

from ingest.store.influx.access import Access
from ingest.store.influx.server import JOURNAL_POLICY, Server
from ingest.store.influx.store import InfluxStore
from waterworks.errors import StoreError
from waterworks.reading import ReadingBatch
from waterworks.site import Site

pytestmark = pytest.mark.skipif(
    not os.environ.get("TWUIN_TEST_INFLUX_URL"), reason="TWUIN_TEST_INFLUX_URL names no InfluxDB 2.x"
)

SITE = Site("town", "Town", ZoneInfo("UTC"), (), (), Path())
NOW = np.datetime64("now", "us")
DAY = np.timedelta64(1, "D")


def rows(*days: int) -> ReadingBatch:
    """Readings of one series, so many days old."""
    return ReadingBatch.of(["a"] * len(days), NOW - np.array(days) * DAY, [1.0] * len(days), received=NOW)


@pytest.fixture
def access() -> Iterator[Access]:
    url, token, org = (os.environ[f"TWUIN_TEST_INFLUX_{what}"] for what in ("URL", "TOKEN", "ORG"))
    access = Access(url, f"twuin-test-{uuid.uuid4().hex}", org=org, token=token, retention_days=30)
    yield access
    server = Server(access)
    api = server.client.buckets_api()
    for name in (access.database, f"{access.database}/{JOURNAL_POLICY}"):
        for bucket in api.find_buckets(name=name, org=org).buckets:
            api.delete_bucket(bucket)
    server.close()


@pytest.fixture
def store(access: Access) -> Iterator[InfluxStore]:
    store = InfluxStore(access, SITE)
    yield store
    store.close()


@pytest.fixture
def token_for(access: Access) -> Iterator[Callable[..., str]]:
    """Makes a token that may do so much with these buckets and nothing else."""
    client = Server(access).client
    org = client.organizations_api().find_organizations(org=access.org)[0].id
    made = []

    def make(*actions: str, buckets: tuple[str, ...]) -> str:
        ids = [b.id for name in buckets for b in client.buckets_api().find_buckets(name=name).buckets]
        assert len(ids) == len(buckets)
        permissions = [
            Permission(action=action, resource=PermissionResource(type="buckets", id=id_, org_id=org))
            for id_ in ids
            for action in actions
        ]
        made.append(client.authorizations_api().create_authorization(org_id=org, permissions=permissions))
        return str(made[-1].token)

    yield make
    for authorization in made:
        client.authorizations_api().delete_authorization(authorization)
    client.close()


def test_both_buckets_are_made_once_with_their_retention(access: Access, store: InfluxStore) -> None:
    assert store.prepare() == [f"bucket {access.database}", f"bucket {access.database}/{JOURNAL_POLICY}"]
    assert store.prepare() == []
    server = Server(access)
    kept = {
        bucket.name: bucket.retention_rules[0].every_seconds
        for name in (access.database, f"{access.database}/{JOURNAL_POLICY}")
        for bucket in server.client.buckets_api().find_buckets(name=name).buckets
    }
    server.close()
    assert kept == {access.database: 30 * 86_400, f"{access.database}/{JOURNAL_POLICY}": 7 * 86_400}


def test_a_token_for_the_two_buckets_alone_is_enough(
    access: Access, store: InfluxStore, token_for: Callable[..., str]
) -> None:
    store.prepare()
    both = (access.database, f"{access.database}/{JOURNAL_POLICY}")
    mine = InfluxStore(replace(access, token=token_for("read", "write", buckets=both)), SITE)
    assert mine.prepare() == []
    assert mine.append(rows(1)).stored == 1
    assert mine.names() == ["a"] and set(mine.changes(0).spans) == {"a"}
    mine.close()


def test_what_a_token_may_not_do_is_named_with_what_would_help(
    access: Access, store: InfluxStore, token_for: Callable[..., str]
) -> None:
    store.prepare()
    journal = f"{access.database}/{JOURNAL_POLICY}"
    refused = [
        (replace(access, token="wrong"), r"check store\.token and store\.org"),
        (replace(access, org="nobody"), "--org 'nobody'"),
        (
            replace(access, token=token_for("read", "write", buckets=(access.database,))),
            f"--name '{journal}'",
        ),
        (
            replace(access, token=token_for("read", buckets=(access.database, journal))),
            "insufficient permissions for write: check store.token",
        ),
    ]
    for wrong, said in refused:
        mine = InfluxStore(wrong, SITE)
        with pytest.raises(StoreError, match=said):
            mine.append(rows(1))
        mine.close()


def test_readings_older_than_the_buckets_retention_are_counted_not_stored(store: InfluxStore) -> None:
    done = store.append(rows(60, 1, 61))
    assert (done.stored, done.expired) == (1, 2)
    done = store.append(rows(60, 61))
    assert (done.stored, done.expired) == (0, 2)
    assert store.window(["a"], NOW - 100 * DAY, NOW).values.tolist() == [[1.0]]


def test_a_bucket_that_vanished_is_made_again(access: Access, store: InfluxStore) -> None:
    store.append(rows(1))
    api = store._server.client.buckets_api()
    for bucket in api.find_buckets(name=access.database, org=access.org).buckets:
        api.delete_bucket(bucket)
    with pytest.raises(StoreError, match="not found"):
        store.append(rows(2))
    assert store.append(rows(2)).stored == 1


def test_a_question_that_fails_is_not_an_empty_answer(store: InfluxStore) -> None:
    store.append(rows(1))
    assert store._server.csv('SELECT "value" FROM "reading"') != b""
    assert store._server.csv('SELECT "value" FROM "nothing"') == b""
    for wrong in ('SELECT "value" FROM "none"."reading"', "SELECT mean(x), y FROM reading", "nonsense"):
        with pytest.raises(StoreError):
            store._server.csv(wrong)
