"""Photos: what is taken, what becomes of it, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from PIL import Image

from twuin.photos import picture as pictures
from twuin.photos.memory import MemoryPhotoStore
from twuin.photos.model import PhotoRefused, PhotoTaken
from twuin.photos.picture import EDGE, MAX_FILE, SMALL_EDGE, picture
from twuin.photos.service import MOST, PhotoService
from waterworks.errors import NotFound

GPS, ORIENTATION, MAKE = 0x8825, 0x0112, 0x010F
SECRET = b"secret behind the picture"


def file(format: str = "JPEG", size: tuple[int, int] = (400, 300), **more: Any) -> bytes:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    out = io.BytesIO()
    image.save(out, format, **more)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.fixture
def service() -> PhotoService:
    return PhotoService("town", MemoryPhotoStore(), lambda: datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_what_phones_send_becomes_a_small_jpeg(format: str) -> None:
    made = picture(file(format, (3200, 2400)))
    whole, small = opened(made.whole), opened(made.small)
    assert (whole.format, small.format) == ("JPEG", "JPEG")
    assert (whole.size, max(small.size)) == ((EDGE, EDGE * 3 // 4), SMALL_EDGE)
    assert (made.width, made.height) == whole.size
    assert opened(picture(file(format)).whole).size == (400, 300)  # nothing is made larger


def test_nothing_that_the_phone_wrote_into_it_is_kept() -> None:
    exif = Image.Exif()
    exif[MAKE] = "Telepon Murah"
    exif.get_ifd(GPS)[2] = (7.0, 58.0, 1.0)
    sent = file(exif=exif.tobytes(), comment=b"taken at home", icc_profile=b"profile") + SECRET
    assert b"Telepon Murah" in sent
    made = picture(sent)
    for data in (made.whole, made.small):
        again = opened(data)
        assert not again.getexif() and not again.getexif().get_ifd(GPS)
        assert not {"comment", "icc_profile", "exif", "xmp"} & set(again.info)
        for word in (b"Telepon", b"taken at home", b"Exif", SECRET):
            assert word not in data


def test_a_photo_that_was_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    assert opened(picture(file(size=(400, 300), exif=exif.tobytes())).whole).size == (300, 400)


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises very many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


HOSTILE = {
    "nothing": b"",
    "text": b"<script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "gif": file("GIF"),
    "tiff": file("TIFF"),
    "bmp": file("BMP"),
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "cut off": file()[:900],
    "only a header": file()[:20],
    "a bomb": png_that_claims(60_000, 60_000),
    "a large bomb": png_that_claims(9_000, 9_000),
    "not its pixels": png_that_claims(100, 100),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_photo_is_refused(name: str) -> None:
    with pytest.raises(PhotoRefused):
        picture(HOSTILE[name])


def test_a_file_that_is_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures.Image, "open", lambda *a, **k: pytest.fail("was read"))
    with pytest.raises(PhotoRefused, match="bytes"):
        picture(b"\xff\xd8" + bytes(MAX_FILE))


def test_the_same_photo_sent_again_is_kept_once(service: PhotoService) -> None:
    first = service.add("a1", file(), key="k1", actor="Budi")
    assert service.add("a1", file(), key="k1", actor="Budi") == first
    assert service.of("a1") == [first]
    assert opened(service.file("a1", first.id)).size == (400, 300)
    with pytest.raises(PhotoTaken):
        service.add("a1", file(size=(10, 10)), key="k1", actor="Budi")
    with pytest.raises(PhotoTaken):
        service.add("a2", file(), key="k1", actor="Budi")


def test_an_alert_has_no_more_photos_than_are_of_use(service: PhotoService) -> None:
    for n in range(MOST):
        service.add("a1", file(size=(8, 8)), key=f"k{n}", actor="Budi")
    with pytest.raises(PhotoRefused, match=str(MOST)):
        service.add("a1", file(), key="one more", actor="Budi")


def test_a_photo_that_was_taken_away_stays_away(service: PhotoService) -> None:
    kept = service.add("a1", file(), key="k1", actor="Budi")
    service.remove("a1", kept.id, "Rina")
    assert service.of("a1") == []
    for small in (False, True):
        with pytest.raises(NotFound):
            service.file("a1", kept.id, small=small)
    with pytest.raises(NotFound):
        service.remove("a1", kept.id, "Rina")
    service.add("a1", file(), key="k1", actor="Budi")  # a phone that sends it again
    assert service.of("a1") == []


def test_a_key_is_needed_and_ids_cannot_be_guessed(service: PhotoService) -> None:
    with pytest.raises(PhotoRefused, match="key"):
        service.add("a1", file(), key=" ", actor="Budi")
    ids = [service.add("a1", file(size=(8, 8)), key=k, actor="Budi").id for k in ("1", "2")]
    assert all(len(i) == 24 for i in ids) and ids[0][:6] != ids[1][:6]
