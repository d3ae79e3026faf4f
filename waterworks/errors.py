"""The few exceptions that cross rooms.

Every message says what was wrong, where, and what would be right, in one line that a user can read:
the command line prints ``str(error)`` and nothing else, the API puts it in ``detail``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class TwuinError(Exception):
    """Root of all errors that Twuin raises on purpose."""


class UnitError(TwuinError):
    """A unit that does not exist, or that does not measure the quantity at hand."""


class SettingsError(TwuinError):
    """A setting is missing, unreadable or contradicts another."""


class Severity(StrEnum):
    """Whether a file can be used in spite of a problem."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file that a person wrote. ``line`` counts from 1; None: the file as a whole.

    code: of the message, for who says it in another language; values: what it holds.
    """

    file: str
    line: int | None
    message: str
    severity: Severity = Severity.ERROR
    code: str = field(default="", compare=False)
    values: Mapping[str, object] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.message}"


class ProblemsError(TwuinError):
    """One or more mistakes in files, each named by file and line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class SiteError(ProblemsError):
    """A site folder that cannot be used."""


class NetworkError(ProblemsError):
    """An EPANET file that cannot be read or solved."""


class DataFileError(ProblemsError):
    """A file of readings, or the mapping that describes it, cannot be used."""


class StoreError(TwuinError):
    """The reading store refused what was asked for good: asking again will not help."""


class StoreUnavailable(TwuinError):
    """The reading store cannot answer now; nothing was acknowledged, and asking again later may help."""


class DatabaseUnavailable(StoreUnavailable):
    """The same of the database of alerts, accounts and reports."""


class DatabaseRefused(StoreError):
    """The database of alerts, accounts and reports refused what was asked for good."""


class ClusterError(TwuinError):
    """Workers of a scheduler cannot do what was asked: asking again will not help."""


class ClusterUnavailable(TwuinError):
    """A scheduler, or all its workers, are away; asking again later may help."""


class BrokerError(TwuinError):
    """The MQTT broker cannot be reached, or refuses this client."""


class BackupError(TwuinError):
    """A back-up cannot be made, is not whole, or cannot be restored where it should be."""


class NotFound(TwuinError):
    """What was asked for by name does not exist: a DMA, a sensor, an alert."""


class WrongInput(TwuinError):
    """What somebody asked for or entered cannot be used as it stands; the message says what would do.

    code: of the message, for who says it in another language; values: what it holds.
    """

    def __init__(self, message: str, code: str = "", **values: object) -> None:
        self.code, self.values = code, values
        super().__init__(message)


class BenchmarkError(TwuinError):
    """A benchmark cannot be run as asked: data of the wrong shape, or a library that is missing."""
