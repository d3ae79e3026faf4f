"""What planned works need from the outside: a durable place that several processes share."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from twuin.works.model import Line
from waterworks.errors import TwuinError


class LineConflict(TwuinError):
    """Someone else wrote this line of a work meanwhile. Nothing was stored: read and decide again."""


@runtime_checkable
class WorkStore(Protocol):
    """The append-only history of a site's works. Safe to use from several threads and several processes.

    Raises StoreUnavailable when asking again later may help.
    """

    def newest(self, site: str) -> int:
        """``seq`` of the newest line of a site, 0 where there is none."""
        ...

    def lines(self, site: str, since: int = 0) -> list[Line]:
        """Lines whose ``seq`` is beyond ``since``, in the order in which they were written."""
        ...

    def append(self, line: Line) -> Line:
        """Write a line, durable when this returns; the same with its ``seq``.

        Raises LineConflict where the work has a line of this number already.
        """
        ...

    def close(self) -> None:
        """Release the store. Closing twice is allowed."""
        ...
