"""Makes the databases that Twuin needs in an InfluxDB, where they are missing and we may."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import urllib3
from influxdb_client import (
    BucketRetentionRules,
    DBRPCreate,
    DBRPsService,
    Permission,
    PermissionResource,
)
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.rest import ApiException

from ingest.store.influx.schema import LEVELS
from ingest.store.influx.server import JOURNAL_POLICY, Server
from ingest.store.influx.text import identifier, literal
from waterworks.errors import StoreError

JOURNAL_DAYS = 7.0
"""How long the journal of changes is kept [d]."""

_DEFAULT_POLICY = "autogen"


def prepare(server: Server) -> list[str]:
    """See to it that database and journal are there; returns what was made, in words.

    Does nothing where all is there. StoreError where something is missing that we may not make.
    """
    version = server.version()
    if version.startswith("1.") and server.access.version == 2:
        raise StoreError(
            f'{server.access.url} is an InfluxDB {version}: set store.version = "1" (or store.url)'
        )
    if version.startswith("3"):
        raise StoreError(
            f"{server.access.url} is an InfluxDB 3, in whose answers a question that failed looks like one "
            "without a result: name an InfluxDB 1.x or 2.x"
        )
    try:
        made = _prepare_two(server) if server.access.version == 2 else _prepare_one(server)
    except (urllib3.exceptions.HTTPError, InfluxDBError) as error:
        raise server.trouble("could not be made ready", error) from error
    for policy in ("", *_policies(server)):
        if any(result.series for result in server.ask('SELECT "none" FROM "none"', policy)):
            raise StoreError(
                f"{server.access.url} does not understand InfluxQL, as VictoriaMetrics does not: readings "
                "can be written there but not read; name an InfluxDB"
            )
    return made


def _prepare_one(server: Server) -> list[str]:
    name, made = server.access.database, []
    wanted = []
    there = {row[0] for s in server.ask("SHOW DATABASES")[0].series for row in s.values}
    shown = []
    if name not in there:  # or we have no right to it: then it is not told of
        days = server.access.retention_days
        keep = "" if days is None else f" WITH DURATION {_hours(days)}h"
        wanted.append((f"CREATE DATABASE {identifier(name)}{keep}", f"database {name}"))
    else:
        shown = server.ask(f"SHOW RETENTION POLICIES ON {identifier(name)}")[0].series
    there = {row[0] for s in shown for row in s.values}
    for policy, days in _policies(server).items():
        if policy not in there:
            keep = "INF" if days is None else f"{_hours(days)}h"
            shards = " SHARD DURATION 1d" if policy == JOURNAL_POLICY else ""
            statement = (
                f"CREATE RETENTION POLICY {identifier(policy)} ON {identifier(name)} "
                f"DURATION {keep} REPLICATION 1{shards}"
            )
            wanted.append((statement, f"retention policy {name}.{policy}"))
    for number, (statement, what) in enumerate(wanted):
        try:
            server.ask(statement)
        except StoreError as error:
            rest = [statement for statement, _ in wanted[number:]]
            if user := server.access.username:
                rest.append(f"GRANT ALL ON {identifier(name)} TO {identifier(user)}")
            raise StoreError(
                f"there is no {what} that Twuin's user may see, nor may it make one; let an administrator "
                f"run: {'; '.join(rest)} ({error})"
            ) from error
        made.append(what)
    return made


def _policies(server: Server) -> dict[str, float | None]:
    """Retention policies beside the readings' own, and how long each keeps them [d]; None: for ever."""
    levels = [level.policy for level in LEVELS] if server.access.downsample else []
    return {JOURNAL_POLICY: JOURNAL_DAYS, **dict.fromkeys(levels)}


def _prepare_two(server: Server) -> list[str]:
    made = []
    own = {_DEFAULT_POLICY: server.access.retention_days}
    for policy, days in (own | _policies(server)).items():
        name = server.access.database if policy == _DEFAULT_POLICY else f"{server.access.database}/{policy}"
        bucket = _bucket(server, name)
        if bucket is None:
            bucket = _make_bucket(server, name, days)
            made.append(f"bucket {name}")
        if not _mapped(server, policy) and _map(server, bucket, policy):
            made.append(f"DBRP mapping {server.access.database}/{policy} to bucket {name}")
    return made


def make_user(server: Server, user: str, password: str, *, writes: bool) -> None:
    """A user of an InfluxDB 1.x with rights on the server's database alone; one that is there is set right.

    Raises StoreError where the server's own user may not do that, or the name is an administrator's.
    """
    name, who = server.access.database, identifier(user)
    users = {row[0]: row[1] for s in server.ask("SHOW USERS")[0].series for row in s.values}
    if users.get(user):
        raise StoreError(f"user {user} of {server.access.url} is an administrator: choose another name")
    if user in users:
        server.ask(f"SET PASSWORD FOR {who} = {literal(password)}")
        for series in server.ask(f"SHOW GRANTS FOR {who}")[0].series:
            for database, right in series.values:
                if right != "NO PRIVILEGES":
                    server.ask(f"REVOKE ALL PRIVILEGES ON {identifier(database)} FROM {who}")
    else:
        server.ask(f"CREATE USER {who} WITH PASSWORD {literal(password)}")
    server.ask(f"GRANT {'ALL' if writes else 'READ'} ON {identifier(name)} TO {who}")


def make_token(server: Server, *, writes: bool) -> str:
    """A new token for Twuin's buckets, which are there: to read them, and to write to them if asked for.

    Raises StoreError where the server's own token may not make one.
    """
    base = server.access.database
    try:
        buckets = [_bucket(server, n) for n in (base, *(f"{base}/{p}" for p in _policies(server)))]
        allowed = [
            Permission(
                action=action, resource=PermissionResource(type="buckets", id=bucket.id, org_id=bucket.org_id)
            )
            for bucket in buckets
            if bucket is not None
            for action in (("read", "write") if writes else ("read",))
        ]
        if not allowed:
            raise StoreError(f"{server.access.url} has no bucket {base!r} that store.token sees")
        made = server.client.authorizations_api().create_authorization(
            org_id=next(b.org_id for b in buckets if b is not None), permissions=allowed
        )
    except (urllib3.exceptions.HTTPError, InfluxDBError) as error:
        raise server.trouble("did not make a token", error) from error
    return str(made.token)


def _bucket(server: Server, name: str) -> Any:
    try:
        found = server.client.buckets_api().find_buckets(name=name, org=server.access.org)
    except ApiException as error:
        if error.status == 404:
            return None
        raise
    return next((bucket for bucket in found.buckets or () if bucket.name == name), None)


def _make_bucket(server: Server, name: str, days: float | None) -> Any:
    rules = [] if days is None else [BucketRetentionRules(type="expire", every_seconds=_hours(days) * 3600)]
    try:
        return server.client.buckets_api().create_bucket(
            bucket_name=name, retention_rules=rules, org=server.access.org
        )
    except ApiException as error:
        if error.status == 422:  # another process was faster
            return _bucket(server, name)
        if error.status not in (401, 403):
            raise
        refused: Exception = error
    except InfluxDBError as error:  # the client may not even look up the organisation
        refused = error
    keep = "" if days is None else f" --retention {_hours(days)}h"
    org = server.access.org
    raise StoreError(
        f"store.token sees no bucket {name!r} in an organisation {org!r}, and may not make one; let an "
        f"administrator run: influx bucket create --org '{org}' --name '{name}'{keep}, and give the token "
        "read and write on it"
    ) from refused


def _mapped(server: Server, policy: str) -> bool:
    """Whether InfluxQL finds the bucket. 2.x maps a bucket ``db/rp`` of itself since 2.2 or so."""
    try:
        found = DBRPsService(server.client.api_client).get_dbr_ps(
            org=server.access.org, db=server.access.database
        )
    except ApiException as error:
        if error.status in (401, 403, 404):  # a token for reading and writing alone: the queries will tell
            return True
        raise
    return any(
        m.retention_policy == policy or (policy == _DEFAULT_POLICY and m.default) for m in found.content
    )


def _map(server: Server, bucket: Any, policy: str) -> bool:
    mapping = DBRPCreate(
        bucket_id=bucket.id,
        database=server.access.database,
        retention_policy=policy,
        default=policy == _DEFAULT_POLICY,
        org_id=bucket.org_id,
    )
    with suppress(ApiException):  # the queries will tell
        DBRPsService(server.client.api_client).post_dbrp(mapping)
        return True
    return False


def _hours(days: float) -> int:
    return max(1, round(days * 24))
