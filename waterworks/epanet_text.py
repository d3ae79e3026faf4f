"""The text of an EPANET file: its sections, where things stand in it, and what EPANET says against it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from waterworks.errors import NetworkError, Problem


class Line(NamedTuple):
    """One line that says something: ``number`` counts from 1, ``section`` is upper case ("JUNCTIONS")."""

    number: int
    section: str
    text: str

    @property
    def words(self) -> list[str]:
        """The line without its comment, split at blanks."""
        return self.text.split(";", 1)[0].split()


def lines(path: Path) -> list[Line]:
    """The lines of ``path`` that are neither empty nor comments, headings included.

    Bytes that are not UTF-8 are kept as surrogates: EPANET itself takes any encoding.
    Raises NetworkError when the file cannot be read.
    """
    text = _bytes(path).decode("utf-8-sig", "surrogateescape")
    found = []
    section = ""
    for number, raw in enumerate(text.split("\n"), 1):
        said = raw.strip()
        if not said or said.startswith(";"):
            continue
        if said.startswith("["):
            section = said[1:].split("]", 1)[0].strip().upper()
            if section == "END":
                break
        found.append(Line(number, section, said))
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as e:
        raise NetworkError([Problem(path.name, None, f"cannot be read: {e.strerror or e}")]) from None


# EPANET itself knows a section by the first letters of its name.
_NETWORK = re.compile(rb"^[ \t]*\[(?:JUNC|RESE|TANK|PIPE|PUMP|VALV)", re.I | re.M)
_END = re.compile(rb"^[ \t]*\[END", re.I | re.M)
_EXPORT = "in EPANET, File > Export > Network writes one (.inp)"


def ends(path: Path) -> bool:
    """Whether ``path`` has the heading [END]. EPANET can do without it, but all that writes its files sets
    it last: where it is missing, the file may have been cut off.
    """
    return _END.search(_bytes(path)) is not None


def no_network(path: Path) -> Problem | None:
    """Why ``path`` cannot be an EPANET file at all, None where it may be one."""
    raw = _bytes(path)
    if not raw.strip():
        return Problem(path.name, None, f"is empty, and should be an EPANET file: {_EXPORT}")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Problem(path.name, 1, "is UTF-16, which EPANET does not read: save it as UTF-8")
    if _NETWORK.search(raw.removeprefix(b"\xef\xbb\xbf")) is None:
        return Problem(
            path.name,
            None,
            f"is no EPANET file: no section [JUNCTIONS], [RESERVOIRS] or [PIPES] is in it; {_EXPORT}",
        )
    return None


def _cut_off(path: Path, text: list[Line]) -> list[Problem]:
    """A word about a file without [END], to stand before what EPANET misses in it."""
    if ends(path) or not text:
        return []
    last = text[-1]
    message = (
        f"stops here, in [{last.section}], without the [END] with which EPANET files close: it seems to be "
        "cut off, and what else is said of it may follow from that; export or copy it anew"
    )
    return [Problem(path.name, last.number, message)]


_ERROR = re.compile(r"^\s*Error (\d+): (.*?)\s*$")
_IN_SECTION = re.compile(r" in (?:\[?(\w+)\]? section|following line of \[?(\w+)\]? section)[: ]*", re.I)
_WITH_ID = re.compile(r"with ID:?\s+(\S+)")
_SUMMARY = {"200", "223", "233"}  # "one or more errors": said of others that are named themselves


def problems(path: Path, report: str) -> list[Problem]:
    """What EPANET's ``report`` says against the file ``path``, each with the line it speaks of.

    EPANET quotes the offending line below its message but not its number; errors come in the order of
    the file, so each quotation is looked for from where the one before was found.
    """
    if none := no_network(path):
        return [none]
    said = list(_errors(report))
    text = lines(path)
    found: list[Problem] = []
    after = 0
    for code, message, quoted in said:
        number = None
        if quoted:
            same = [x.number for x in text if x.number > after and _squeeze(x.text) == _squeeze(quoted)]
            if not same:
                same = [x.number for x in text if _squeeze(x.text) == _squeeze(quoted)]
            if not same:  # EPANET cuts long lines short
                start = _squeeze(quoted)
                same = [x.number for x in text if len(start) > 40 and _squeeze(x.text).startswith(start)]
            if same:
                repeated = code == "215" and len(same) > 1 and not _id_before(text, same[0])
                number = after = same[1] if repeated else same[0]
        elif match := _WITH_ID.search(message):
            number = line_of(text, match.group(1))
        section = _IN_SECTION.search(message)
        where = f" in [{(section.group(1) or section.group(2)).upper()}]" if section else ""
        plain = _IN_SECTION.sub("", message).rstrip(" :")
        plain = plain.replace(": section contents ignored.", "; take the section out")
        found.append(Problem(path.name, number, f"{plain}{where} (EPANET error {code})"))
    if said and _bytes(path)[:3] == b"\xef\xbb\xbf":
        mark = "begins with a byte order mark, which EPANET takes for text: save it as UTF-8 without one"
        return [Problem(path.name, 1, mark)]
    named = [p for p, (code, _, _) in zip(found, said, strict=True) if code not in _SUMMARY]
    if len(named) >= 10:
        named.append(Problem(path.name, None, "EPANET stops at ten errors: there may be more below"))
    return [*(_cut_off(path, text) if found else ()), *(named or found)]


def line_of(text: list[Line], element: str) -> int | None:
    """The line that defines node or link ``element``, None where there is none."""
    for x in text:
        if x.section in _DEFINING and x.words[:1] == [element]:
            return x.number
    return None


_DEFINING = {"JUNCTIONS", "RESERVOIRS", "TANKS", "PIPES", "PUMPS", "VALVES"}


def _errors(report: str) -> Iterator[tuple[str, str, str]]:
    """(code, message, quoted line or "") of every error in a report."""
    # A quoted word takes its line end along into the message.
    rows = re.sub(r"\s*\n( in \[?\w+\]? section:)", r"\1", report).splitlines()
    for i, row in enumerate(rows):
        if match := _ERROR.match(row):
            message = match.group(2)
            quoted = rows[i + 1].strip() if message.endswith(":") and i + 1 < len(rows) else ""
            if message.endswith("contents ignored.") and i + 1 < len(rows):
                quoted = rows[i + 1].strip()
            yield match.group(1), message, quoted


def _id_before(text: list[Line], number: int) -> bool:
    """Whether the ID on line ``number`` was defined further up."""
    here = next(x for x in text if x.number == number)
    return any(x.number < number and x.section in _DEFINING and x.words[:1] == here.words[:1] for x in text)


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def tags(path: Path) -> dict[str, str]:
    """Tag by node ID, from the section [TAGS]."""
    return {
        x.words[1]: x.words[2]
        for x in lines(path)
        if x.section == "TAGS" and len(x.words) >= 3 and x.words[0].upper() == "NODE"
    }
