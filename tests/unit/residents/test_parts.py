"""Words, photos, seals and limits, each by itself."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from PIL import Image

from twuin.photos.picture import EDGE
from twuin.residents.keys import LETTERS, Keys, plain_code
from twuin.residents.limits import HELD_MOST, Counts, judge, network_of
from twuin.residents.model import BadReport, Odd, Person
from twuin.residents.photo import kept_photo
from twuin.residents.words import clean_text, has_links, phone_number
from waterworks.errors import StoreError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = Keys(b"k" * 32, lambda: NOW)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_kept_small_and_without_what_phones_write_into_it(
    picture: Callable[..., bytes], kind: str
) -> None:
    kept = kept_photo(picture(kind=kind))
    assert b"Secret" not in kept and b"Exif" not in kept and len(kept) < 1_500_000
    with Image.open(io.BytesIO(kept)) as image:
        assert image.format == "JPEG" and max(image.size) == EDGE and not image.getexif()


def test_a_photo_that_lies_on_its_side_is_turned(picture: Callable[..., bytes]) -> None:
    with Image.open(io.BytesIO(picture((400, 200)))) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        out = io.BytesIO()
        image.save(out, "JPEG", exif=exif)
    with Image.open(io.BytesIO(kept_photo(out.getvalue()))) as turned:
        assert turned.size == (200, 400)


def test_files_made_to_hurt_are_refused(picture: Callable[..., bytes]) -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")  # 50 kB that would be 400 million pixels
    good = picture((300, 300))
    for data in (b"", b"GIF89a" + b"\0" * 90, bomb.getvalue(), good[: len(good) // 2], b"\xff\xd8\xff" * 9,
                 b"<svg xmlns='http://www.w3.org/2000/svg'/>"):  # fmt: skip
        with pytest.raises(BadReport):
            kept_photo(data)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0812 3456 7890", "+6281234567890"),
        ("+62 (812) 3456-7890", "+6281234567890"),
        ("６２812345678", "+62812345678"),
        ("0341 123456", "+62341123456"),
        ("+31 20 1234567", "+31201234567"),
    ],
)
def test_a_phone_number_is_the_same_however_it_is_typed(typed: str, number: str) -> None:
    assert phone_number(typed, "62") == number


@pytest.mark.parametrize("typed", ["", "12", "0812x3456", "+" + "1" * 30, "tel:0812", "0" * 20])
def test_what_is_no_phone_number_is_refused(typed: str) -> None:
    with pytest.raises(BadReport):
        phone_number(typed, "62")


def test_text_keeps_its_words_and_loses_what_is_not_seen() -> None:
    assert (
        clean_text(" Jl.\u202e Melati\0\x07  3 \r\n\n pagar  merah\u200b", 100) == "Jl. Melati 3\npagar merah"
    )
    assert clean_text("Ж" * 500, 10) == "Ж" * 10
    assert (
        has_links("see WWW.example.id")
        and has_links("buy at pills-now.shop")
        and not has_links("Jl. Kol. Sugiono no.3")
    )


def test_a_code_is_easily_read_out_and_found_however_it_is_typed() -> None:
    code = KEYS.code("a form")
    assert len(code) == 14 and set(code) - {"-"} <= set(LETTERS) and not set("01il") & set(LETTERS)
    assert KEYS.code_digest(code) == KEYS.code_digest(f" {code.upper().replace('-', ' ')}.")
    assert KEYS.code("a form") == code != KEYS.code("another") and code not in KEYS.code_digest(code)
    for wrong in ("", "aaaa-bbbb", "../../etc/passwd", "x" * 5000, "aaaa-bbbb-cc0c", "\udcff" * 12):
        assert plain_code(wrong) == "" and KEYS.code_digest(wrong) == ""


def test_who_reported_is_read_by_the_same_key_only() -> None:
    person = Person("+6281234567890", "Jl. Melati", "by the gate ✓", b"jpeg")
    sealed = KEYS.seal("r1", person)
    assert KEYS.unseal("r1", sealed) == person
    assert b"6281" not in sealed.person and b"Melati" not in sealed.person and sealed.photo != b"jpeg"
    for keys, id in ((Keys(b"x" * 32, lambda: NOW), "r1"), (KEYS, "r2")):
        with pytest.raises(StoreError, match="another key"):
            keys.unseal(id, sealed)


def test_networks_are_told_apart() -> None:
    assert network_of("192.0.2.7") == "192.0.2.0/24"
    assert network_of("2001:db8:1:2::/64") == "2001:db8:1::/48"
    assert network_of("testclient") == "testclient"


def test_when_nobody_could_look_at_more_what_is_odd_is_refused() -> None:
    full = Counts(0, 0, 0, 0, HELD_MOST)
    assert judge(full, flood=10).refused is None
    assert judge(full, flood=10, others=(Odd.TRAP,)).refused is not None
