"""A photo of an alert, and what is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from waterworks.errors import WrongInput

MEDIA_TYPE = "image/jpeg"
"""What every photo is kept as, whatever it came as."""


class PhotoRefused(WrongInput):
    """A file that is no photo that Twuin takes, or one too many."""


class PhotoTaken(PhotoRefused):
    """A key that came with another photo before."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo of an alert, without its picture.

    key: made by whoever sends it, the same when the same is sent again. came: SHA-256 of the file as it was
    sent. at: when it came, by the site's clock; happened: when it was taken, where the sender says so. actor:
    who sent it. step: the action that it was taken for, "" for none. bytes: of the picture as it is kept.
    removed: when somebody took it away, by whom: its picture is gone, that it was there is kept.
    """

    site: str
    id: str
    alert: str
    key: str
    came: str
    at: datetime
    actor: str
    width: int
    height: int
    bytes: int
    happened: datetime | None = None
    step: str = ""
    removed: datetime | None = None
    removed_by: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """What a photo shows, as JPEG files: whole, and small for lists. width, height: of the whole [px]."""

    whole: bytes
    small: bytes
    width: int
    height: int
