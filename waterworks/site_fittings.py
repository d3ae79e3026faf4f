"""``fittings.csv``: what else than valves a crew can listen at, and what each line must say."""

from __future__ import annotations

from pathlib import Path

from waterworks.network import Network
from waterworks.site import Fitting, FittingKind
from waterworks.site_valves import check_place
from waterworks.tables import Problems, Row, read_table

FITTINGS_FILE = "fittings.csv"
FITTINGS_REQUIRED = ("id", "kind", "pipe", "node")
FITTINGS_OPTIONAL = ("name",)


def read_fittings(path: Path, problems: Problems, network: Network | None) -> tuple[Fitting, ...]:
    """The fittings of ``path``, those with mistakes left out; () where there is no such file.

    network: in which they stand; None: there is none, or it cannot be read.
    """
    if not path.is_file():
        return ()
    rows = read_table(path, problems, required=FITTINGS_REQUIRED, optional=FITTINGS_OPTIONAL)
    lines: dict[str, int] = {}
    return tuple(f for f in (_fitting(row, lines, network) for row in rows or []) if f is not None)


def _fitting(row: Row, lines: dict[str, int], network: Network | None) -> Fitting | None:
    before = len(row.problems.found)
    id, pipe, node = row.identifier("id"), row.required("pipe"), row.required("node")
    if id and id in lines:
        row.error(f"fitting {id!r} is there already, on line {lines[id]}")
    lines.setdefault(id, row.line)
    kinds = {k.value for k in FittingKind}
    said = row.required("kind").lower()
    if said and said not in kinds:
        row.error(f"unknown kind {said!r}: write {', '.join(sorted(kinds))}")
    if network is not None and pipe and node:
        check_place(row, network, pipe, node)
    if len(row.problems.found) > before:
        return None
    return Fitting(id, FittingKind(said), pipe, node, row.text("name"))
