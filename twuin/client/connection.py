"""HTTP: the token, time limits, trying again, problems as exceptions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import sleep
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.auth import AuthBase

from twuin.client.errors import ClientError, NoAnswer, NotUnderstood, Problem

AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which the same may be asked again."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
"""Between tries: the first time, doubled at each; the longest that an answer may ask for."""

MAX_PROBLEM = 256 * 1024
"""Bytes of a refusal that are read."""


class _Bearer(AuthBase):
    """Shows the token. As an ``auth`` it goes before a ``.netrc``, which would replace a header."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Connection:
    """One Twuin under ``url``. Not to be shared by threads."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        timeout_s: float,
        retries: int,
        verify: bool | str,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ClientError(f"{url!r} is no address of a Twuin: write it as https://water.example")
        if parts.username or parts.query or parts.fragment:
            raise ClientError("the address takes no user, query or fragment: a token is given as token=")
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise ClientError("the token holds blanks or other characters that no token has")
        self.root = url.rstrip("/") + "/api/v1"
        self._timeout_s = timeout_s
        self._retries = retries
        self._session = requests.Session()
        self._session.auth = _Bearer(token)
        self._session.verify = verify
        self._session.headers["User-Agent"] = "twuin-client"

    def close(self) -> None:
        self._session.close()

    def get(self, *path: str, **query: Any) -> Any:
        """The JSON of an answer. None in ``query`` is left out."""
        with self.stream(*path, **query) as answer:
            return _json(answer)

    @contextmanager
    def stream(self, *path: str, **query: Any) -> Iterator[requests.Response]:
        """An answer whose body is read as it comes."""
        given = {name: value for name, value in query.items() if value is not None}
        with self._reading():
            answer = self._ask("GET", path, params=given, again=True)
            try:
                yield answer
            finally:
                answer.close()

    def post(self, *path: str, body: Mapping[str, Any], again: bool) -> Any:
        """The JSON of the answer to ``body``. again: it may be sent twice, as it carries a key."""
        with self._reading():
            answer = self._ask("POST", path, body=body, again=again)
            try:
                return _json(answer)
            finally:
                answer.close()

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        params: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        again: bool,
    ) -> requests.Response:
        url = "/".join((self.root, *(quote(part, safe="") for part in path)))
        tries = self._retries if again else 0
        wait = FIRST_WAIT_S
        while True:
            try:
                answer = self._session.request(
                    method,
                    url,
                    params=params,
                    json=body,
                    timeout=self._timeout_s,
                    stream=True,
                    # Elsewhere a token has no business, and a POST would become a GET.
                    allow_redirects=False,
                )
            except requests.exceptions.SSLError:
                raise  # the next try finds the same certificate
            except (requests.exceptions.ConnectionError, requests.exceptions.Timeout):
                if tries <= 0:
                    raise
                asked_s = None
            else:
                if answer.ok and not answer.is_redirect:
                    return answer
                asked_s = _retry_after(answer)
                if answer.status_code not in AGAIN or tries <= 0 or (asked_s or 0.0) > LONGEST_WAIT_S:
                    raise _refusal(answer)
                answer.close()
            tries -= 1
            sleep(wait if asked_s is None else asked_s)
            wait *= 2

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except requests.exceptions.SSLError as e:
            raise NoAnswer(f"{self.root}: its certificate is not trusted ({_reason(e)})") from e
        except requests.exceptions.Timeout as e:
            raise NoAnswer(f"{self.root}: no answer within {self._timeout_s:g} s") from e
        except requests.exceptions.RequestException as e:
            raise NoAnswer(f"{self.root}: no answer ({_reason(e)})") from e


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        kind = answer.headers.get("content-type", "nothing")[:60]
        raise NotUnderstood(f"{answer.url} answered with {kind} and not with JSON: is it a Twuin?") from None


def _refusal(answer: requests.Response) -> ClientError:
    """What an answer that is no success says."""
    try:
        if answer.is_redirect:
            return NotUnderstood(
                f"{answer.url} sends on to {answer.headers['location'][:200]}: give that address"
            )
        told: Any = None
        if "json" in answer.headers.get("content-type", ""):
            try:
                told = json.loads(answer.raw.read(MAX_PROBLEM, decode_content=True))
            except ValueError:
                told = None
        if not isinstance(told, dict):
            told = {"title": f"{answer.reason} (not from Twuin itself)"}
        return Problem(answer.status_code, told)
    finally:
        answer.close()


def _retry_after(answer: requests.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None


def _reason(error: BaseException) -> str:
    """The innermost cause, in a few words."""
    inner: Any = error
    while True:
        further = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(further, BaseException):
            break
        inner = further
    text = str(inner).rsplit("object at ", 1)[-1].split(">: ", 1)[-1]
    return " ".join(text.split())[:200] or type(error).__name__
