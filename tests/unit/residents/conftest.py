from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from PIL import Image

from twuin.residents.model import Report, Sent
from twuin.residents.parts import Residents
from twuin.residents.service import Options, Taken

NEAR_P1 = (112.6115, -7.9570)
"""Near the middle of pipe P1 of the small town, in DMA D1."""


class Neighbours:
    """A town with residents who report."""

    def __init__(self, town: Any, residents: Residents) -> None:
        self.town, self.residents = town, residents
        self.public, self.desk, self.tender = residents.public, residents.desk, residents.tender
        self._people = 0

    def sent(self, **more: Any) -> Sent:
        """A report as a form sends it, filled in for half a minute, by somebody who did not report before."""
        self._people += 1
        given: dict[str, Any] = {
            "category": "leak", "phone": f"0812 3456 {1000 + self._people}", "where": "Jl. Melati 3",
            "moment": more.pop("moment", "") or self.public.moment(),
        }  # fmt: skip
        self.town.wall += timedelta(seconds=30)
        return Sent(**{**given, **more})

    def send(self, source: str = "", **more: Any) -> Taken:
        """Send one, by default from an address of its own."""
        sent = self.sent(**more)
        return self.public.submit(sent, source or f"198.51.{self._people}.7")

    def at(self, east_m: float = 0.0, north_m: float = 0.0, **more: Any) -> Report:
        """A report from somewhere near P1's middle."""
        lon, lat = NEAR_P1
        taken = self.send(lon=lon + east_m / 110_250, lat=lat + north_m / 110_574, **more)
        return self.get(taken)

    def get(self, taken: Taken) -> Report:
        """How a report stands by now."""
        return self.desk.get(taken.report.id)

    def pass_time(self, **span: float) -> None:
        """On the site's clock and on the wall's."""
        passed = timedelta(**span)
        self.town.wall += passed
        self.town.clock.time += np.timedelta64(passed)


@pytest.fixture
def neighbours(small_town: Any) -> Callable[..., Neighbours]:
    """Residents with other options than the usual ones."""

    def make(**options: Any) -> Neighbours:
        return Neighbours(small_town, small_town.residents(options=Options(**options)))

    return make


@pytest.fixture
def here(neighbours: Callable[..., Neighbours]) -> Neighbours:
    return neighbours()


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """A photo as a phone takes it, with a place in its EXIF."""

    def make(size: tuple[int, int] = (2000, 1500), kind: str = "JPEG", **more: Any) -> bytes:
        out = io.BytesIO()
        image = Image.effect_noise(size, 40).convert("RGB")
        exif = image.getexif()
        exif[0x010F] = "Secret Phone Maker"
        exif.get_ifd(0x8825)[1] = "S"
        image.save(out, kind, exif=exif, **more)
        return out.getvalue()

    return make
