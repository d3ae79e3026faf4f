"""What every PhotoStore does: in memory, in SQLite and in PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from twuin.alerts.model import Alert, Entry, Finding, Kind, State
from twuin.alerts.ports import Change
from twuin.db import open_alert_store, open_photo_store
from twuin.photos.memory import MemoryPhotoStore
from twuin.photos.model import Photo, PhotoRefused, Picture
from twuin.photos.ports import PhotoStore

T0 = datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)
SHOT = Picture(b"\xff\xd8whole\x00", b"\xff\xd8small", 640, 480)


def alert(store_url: str, id: str) -> None:
    finding = Finding(Kind.LEAK, "D1", "D1", T0, T0, T0)
    alerts = open_alert_store(store_url)
    alerts.commit(
        [Change(Alert(id, "town", State.OPEN, finding), None, (Entry(id, T0, "monitor", "opened"),))]
    )
    alerts.close()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], PhotoStore]:
    """Opens the same store again, as another process would."""
    if request.param == "memory":
        one = MemoryPhotoStore()
        return lambda: one
    url = f"sqlite:///{tmp_path}/twuin.sqlite"
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql_url"))
    for id in ("a1", "a2"):
        alert(url, id)
    return lambda: open_photo_store(url)


@pytest.fixture
def store(opener: Callable[[], PhotoStore]) -> Iterator[PhotoStore]:
    opened = opener()
    yield opened
    if hasattr(opened, "close"):
        opened.close()


def photo(n: int = 1, on: str = "a1") -> Photo:
    at = T0 + timedelta(seconds=n)
    return Photo("town", f"p{n}", on, f"key {n}", "0" * 64, at, "Budi é", 640, 480, 7, at, "locate")


def test_a_photo_comes_back_as_it_was_with_both_its_pictures(store: PhotoStore) -> None:
    assert store.add(photo(), SHOT, most=9) == photo()
    assert store.get("town", "a1", "p1") == photo() and store.of("town", "a1") == [photo()]
    assert store.file("town", "a1", "p1", small=False) == SHOT.whole
    assert store.file("town", "a1", "p1", small=True) == SHOT.small


def test_photos_are_found_with_their_own_alert_and_site_only(store: PhotoStore) -> None:
    store.add(photo(), SHOT, most=9)
    for site, of, id in (("town", "a2", "p1"), ("village", "a1", "p1"), ("town", "a1", "p2")):
        assert store.get(site, of, id) is None
        assert store.file(site, of, id, small=False) is None
    assert store.of("town", "a2") == [] == store.of("village", "a1")


def test_the_same_photo_again_is_the_one_that_is_there(store: PhotoStore) -> None:
    store.add(photo(), SHOT, most=1)
    again = replace(photo(), actor="somebody else", at=T0)
    assert store.add(again, Picture(b"other", b"", 1, 1), most=1) == photo()
    assert store.file("town", "a1", "p1", small=False) == SHOT.whole


def test_no_more_are_kept_than_asked_for_and_removed_ones_do_not_count(store: PhotoStore) -> None:
    store.add(photo(1), SHOT, most=2)
    store.add(photo(2), SHOT, most=2)
    with pytest.raises(PhotoRefused, match="2 photos"):
        store.add(photo(3), SHOT, most=2)
    store.add(photo(4, "a2"), SHOT, most=2)
    store.remove("town", "a1", "p1", at=T0, by="Rina")
    store.add(photo(3), SHOT, most=2)
    assert [p.id for p in store.of("town", "a1") if p.removed is None] == ["p2", "p3"]


def test_of_a_removed_photo_is_kept_that_it_was_there_and_who_took_it_away(store: PhotoStore) -> None:
    store.add(photo(), SHOT, most=9)
    store.remove("town", "a2", "p1", at=T0, by="Rina")  # another alert's: nothing happens
    assert store.file("town", "a1", "p1", small=True) == SHOT.small
    store.remove("town", "a1", "p1", at=T0, by="Rina")
    assert store.get("town", "a1", "p1") == replace(photo(), removed=T0, removed_by="Rina")
    assert store.file("town", "a1", "p1", small=False) is None
    assert store.file("town", "a1", "p1", small=True) is None


def test_phones_that_send_at_once_keep_each_photo_once_and_no_more_than_allowed(
    opener: Callable[[], PhotoStore],
) -> None:
    stores = [opener() for _ in range(4)]
    start = threading.Barrier(len(stores))

    def send(store: PhotoStore) -> None:
        start.wait()
        for n in range(1, 8):
            with suppress(PhotoRefused):
                store.add(photo(n), SHOT, most=5)

    threads = [threading.Thread(target=send, args=(s,)) for s in stores]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    kept = stores[0].of("town", "a1")
    assert len(kept) == len({p.id for p in kept}) == 5
    for s in stores:
        if hasattr(s, "close"):
            s.close()
