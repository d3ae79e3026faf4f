"""Photos of residents: looked at, made small, and stripped of what phones write into them."""

from __future__ import annotations

import threading

from twuin.photos.model import PhotoRefused
from twuin.photos.picture import picture
from twuin.residents.model import BadReport

MOST_BYTES = 8 * 2**20
"""Of a photo as it comes [bytes]: what the camera of a phone writes, where no script makes it smaller."""

_AT_ONCE = threading.BoundedSemaphore(2)
"""Photos that are unpacked at a time: each takes up to 200 MB, and anybody may send one."""


def kept_photo(data: bytes) -> bytes:
    """``data`` as a small JPEG with nothing but its picture; BadReport for what is none."""
    try:
        with _AT_ONCE:
            return picture(data, MOST_BYTES).whole
    except PhotoRefused as e:
        raise BadReport("photo", str(e)) from None
