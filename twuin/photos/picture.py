"""Makes a picture of ours out of whatever file a phone sends; the one module that knows Pillow.

Nothing of the file itself is kept: its pixels are read and written anew as JPEG. So neither where and with
which phone it was taken (EXIF, XMP, maker's notes, thumbnails) nor anything hidden behind the picture gets
through, and no browser can take it for anything but a picture.
"""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from twuin.photos.model import PhotoRefused, Picture

FORMATS = ("JPEG", "PNG", "WEBP")
"""What phones send; Pillow's other readers are never asked."""

MAX_FILE = 4 * 2**20
"""Bytes of a file: a phone's own photo of 12 megapixels; the crew's page sends a tenth of it."""

MAX_PIXELS = 50_000_000
"""Pixels of a picture: more than phones take, and no more memory than 200 MB while it is read."""

EDGE = 1600
"""Longest edge of a picture as it is kept [px]: the hole in a pipe and the road around it can be told."""

SMALL_EDGE = 320
"""Of the small one [px]."""

QUALITY, SMALL_QUALITY = 80, 70


def picture(file: bytes, most: int = MAX_FILE) -> Picture:
    """The picture in ``file``, of at most ``most`` bytes. Raises PhotoRefused."""
    if len(file) > most:
        raise PhotoRefused(f"the photo has {len(file):,} bytes: at most {most:,} are taken")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(file), formats=FORMATS) as found:
                width, height = found.size
                if width * height > MAX_PIXELS:
                    raise PhotoRefused(
                        f"the photo has {width} x {height} pixels: at most {MAX_PIXELS:,} are taken"
                    )
                if found.format == "JPEG":
                    found.draft("RGB", (2 * EDGE, 2 * EDGE))  # reads a large one at a fraction of its size
                whole = ImageOps.exif_transpose(found).convert("RGB")
    except PhotoRefused:
        raise
    except Exception as e:  # whatever a damaged or hostile file makes of a decoder
        raise PhotoRefused("the file is no photo that can be read: send JPEG, PNG or WebP") from e
    whole.thumbnail((EDGE, EDGE))
    small = whole.copy()
    small.thumbnail((SMALL_EDGE, SMALL_EDGE))
    return Picture(_jpeg(whole, QUALITY), _jpeg(small, SMALL_QUALITY), whole.width, whole.height)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    # A new image of the pixels alone: what Pillow carries along in ``info`` would be written too.
    bare = Image.frombytes("RGB", image.size, image.tobytes())
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
    return out.getvalue()
