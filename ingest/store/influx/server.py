"""InfluxDB's HTTP interface through influxdb-client: lines in, answers out, errors in Twuin's words.

Versions 1 and 2 differ in where lines are sent, in how one proves who one is, and in how a database is
made (``prepare.py``); all else is one.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import msgspec
import urllib3
from influxdb_client import InfluxDBClient, WritePrecision
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from opentelemetry import trace

from ingest.store.influx.access import Access
from waterworks.errors import StoreError, StoreUnavailable

JOURNAL_POLICY = "changes"
"""Retention policy (of a bucket of 2.x: the part of its name after the slash) of the journal."""

CONNECTIONS = 16
"""Kept open at a time; more threads than that make connections of their own."""

_EXPIRED = re.compile(r"(?:beyond|outside)\b.* retention policy\b.*?dropped[= ](\d+)", re.S)
_EXPIRED_2 = re.compile(r"dropped (\d+) points outside retention policy", re.S)
_PASSING = re.compile(r"timeout|timed out|shut ?down|closed|try again|overload|max-concurrent|killed", re.I)
"""In the error of a statement: it may be over later."""

tracer = trace.get_tracer("ingest.store")
_ALWAYS = "SHOW DATABASES"
"""Answered with a header even where there is nothing to show. Asked after a question whose answer comes as
CSV, where InfluxDB leaves out a statement that failed as if it had found nothing; after a failed one,
nothing more is answered."""


class Series(msgspec.Struct):
    """A part of an answer: rows of one measurement, and the tags that were grouped by."""

    name: str = ""
    tags: dict[str, str] = {}
    columns: list[str] = []
    values: list[list[Any]] = []
    partial: bool = False


class Result(msgspec.Struct):
    """The answer to one statement."""

    statement_id: int = 0
    series: list[Series] = []
    error: str | None = None


class _Answer(msgspec.Struct):
    results: list[Result] = []
    error: str | None = None


_decode = msgspec.json.Decoder(_Answer)


class Server:
    """One InfluxDB, as seen by one database of it. Safe to use from several threads.

    All calls raise StoreUnavailable where asking again may help, StoreError where it will not.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        two = access.version == 2
        token = access.token if two else f"{access.username}:{access.password}"
        self.client = InfluxDBClient(
            url=access.url,
            token=token if token != ":" else None,
            auth_basic=not two and token != ":",
            org=access.org,
            timeout=round(access.timeout_s * 1000),
            ssl_ca_cert=None if access.ca_file is None else str(access.ca_file),
            connection_pool_maxsize=CONNECTIONS,
            retries=False,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self._writer = self.client.write_api(write_options=SYNCHRONOUS)

    def close(self) -> None:
        """Hang up."""
        self.client.close()

    def version(self) -> str:
        """The version that the server says it is, "?" where it does not say."""
        try:
            response = self.client.api_client.call_api(
                "/ping", "GET", _preload_content=False, _return_http_data_only=True
            )
        except (urllib3.exceptions.HTTPError, InfluxDBError) as error:
            raise self.trouble("did not answer", error) from error
        response.drain_conn()
        return str(response.headers.get("X-Influxdb-Version") or "?")

    # -- writing ------------------------------------------------------------------------------------

    def write(self, lines: bytes, policy: str = "") -> int:
        """Store lines (times in microseconds); returns how many were older than what is kept.

        When it returns, all others are durable. When it raises, some may be: writing again makes it whole.
        """
        with tracer.start_as_current_span(
            "influxdb.write", kind=trace.SpanKind.CLIENT, record_exception=False
        ) as span:
            span.set_attribute("twuin.bytes", len(lines))
            return self._write(lines, policy)

    def _write(self, lines: bytes, policy: str) -> int:
        try:
            if self.access.version == 2:
                bucket = f"{self.access.database}/{policy}" if policy else self.access.database
                self._writer.write(bucket, self.access.org, lines, WritePrecision.US)
            else:
                query = [("db", self.access.database), ("precision", "u")]
                self._call("/write", query + ([("rp", policy)] if policy else []), lines)
        except ApiException as error:
            expired = _expired(error)
            if expired:
                return expired
            middle = lines.find(b"\n", len(lines) // 2) + 1
            if error.status == 413 and 0 < middle < len(lines):  # a server that takes less at a time
                return self._write(lines[:middle], policy) + self._write(lines[middle:], policy)
            raise self.trouble("did not store what was sent", error) from error
        except (urllib3.exceptions.HTTPError, InfluxDBError) as error:
            raise self.trouble("did not store what was sent", error) from error
        return 0

    def _call(self, path: str, query: list[tuple[str, str]], body: bytes) -> None:
        self.client.api_client.call_api(
            path,
            "POST",
            query_params=query,
            header_params={"Content-Type": "text/plain; charset=utf-8"},
            body=body,
        )

    # -- asking -------------------------------------------------------------------------------------

    def csv(self, statement: str, policy: str = "") -> bytes:
        """The rows that one SELECT gives, as CSV: name, tags, time [us], ...; b"" for none."""
        text = self._ask(f"{statement}; {_ALWAYS}", "application/csv", policy)
        found, header, _ = text.rpartition(b"name,tags,name\n")
        if header and (not found or found.endswith(b"\n\n")):
            return found
        self.ask(statement, policy)  # says what was wrong
        raise StoreUnavailable(f"InfluxDB at {self.access.url} answered a question in part: ask again")

    def ask(self, statements: str, policy: str = "") -> list[Result]:
        """The answers to statements divided by ``;``. Raises for the first that failed."""
        try:
            answer = _decode.decode(self._ask(statements, "application/json", policy))
        except msgspec.DecodeError as error:
            raise StoreError(
                f"{self.access.url} answered a question with something else than InfluxDB does: {error}"
            ) from error
        if any(series.partial for result in answer.results for series in result.series):
            raise StoreError(
                f"InfluxDB at {self.access.url} gives only the first rows of an answer: set max-row-limit in "
                "its configuration to 0"
            )
        for failed in (answer.error, *(result.error for result in answer.results)):
            if failed:
                kind = StoreUnavailable if _PASSING.search(failed) else StoreError
                raise kind(f"InfluxDB at {self.access.url} could not answer: {failed}")
        return answer.results

    def _ask(self, statements: str, accept: str, policy: str) -> bytes:
        form = {"db": self.access.database, "q": statements, "epoch": "u"}
        if accept == "application/csv":
            form["chunked"] = "true"  # row by row as it comes, and however many there are
        if policy:
            form["rp"] = policy
        try:
            with tracer.start_as_current_span(
                "influxdb.query", kind=trace.SpanKind.CLIENT, record_exception=False
            ) as span:
                response = self.client.api_client.call_api(
                    "/query",
                    "POST",
                    header_params={"Accept": accept, "Content-Type": "application/x-www-form-urlencoded"},
                    post_params=form,
                    _preload_content=False,
                    _return_http_data_only=True,
                )
                answer = bytes(response.data)
                span.set_attribute("twuin.bytes", len(answer))
            return answer
        except (urllib3.exceptions.HTTPError, InfluxDBError) as error:
            raise self.trouble("could not answer", error) from error

    # -- what went wrong ----------------------------------------------------------------------------

    def trouble(self, what: str, error: Exception) -> StoreError | StoreUnavailable:
        """``error`` of influxdb-client or urllib3 in one line, and whether it may pass."""
        where = f"InfluxDB at {self.access.url}"
        if not isinstance(error, ApiException):
            if isinstance(error, urllib3.exceptions.LocationValueError | urllib3.exceptions.URLSchemeUnknown):
                return StoreError(f"store.url {self.access.url!r} is no address of an InfluxDB: {error}")
            if isinstance(error, InfluxDBError):  # the client itself does not go on
                return StoreError(f"{where} {what}: {_reason(error)}")
            return StoreUnavailable(f"{where} does not answer: {_reason(error)}")
        status, said = error.status, _said(error)
        if not status:
            return StoreError(f"{where} cannot be trusted or does not speak TLS: {said}")
        if status in (408, 425, 429) or status >= 500:
            return StoreUnavailable(f"{where} {what} ({status}): {said}")
        if status in (401, 403):
            proof = "store.token and store.org" if self.access.version == 2 else "store.username and password"
            said = f"{said}: check {proof}, and what they may do with {self.access.database!r}"
        elif status == 404:
            kind = "bucket" if self.access.version == 2 else "database"
            said = f"{said}: is there a {kind} {self.access.database!r}, and is store.version right?"
        return StoreError(f"{where} {what} ({status}): {said}")


def _expired(error: ApiException) -> int:
    """How many points were refused as older than what is kept, where all others were stored; else 0."""
    if error.status not in (400, 422):
        return 0
    said = _said(error)
    found = _EXPIRED.search(said) or _EXPIRED_2.search(said)
    return int(found[1]) if found and "conflict" not in said else 0


def _said(error: ApiException) -> str:
    """What InfluxDB says for itself, in one line."""
    body = error.body
    if isinstance(body, bytes):
        body = body.decode(errors="replace")
    elif error.response is not None and not body:
        body = bytes(error.response.data or b"").decode(errors="replace")
    try:
        told = msgspec.json.decode(body or "")
        text = told.get("error") or told.get("message") or ""
    except (msgspec.DecodeError, AttributeError):
        text = body or ""
    return " ".join(str(text or error.reason or "no reason given").split())[:500]


def _reason(error: Exception) -> str:
    """The heart of an error of urllib3, without the names of its objects."""
    text = re.sub(r"<[^>]*>: ?|HTTP\w*\([^)]*\): ?", "", str(error)).strip()
    return text or type(error).__name__
