"""What Sparkplug's edge nodes said in their births, in a small SQLite file: it outlives a restart."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ingest.decoders.sparkplug import Defined, Node, births
from ingest.sqlite_file import SqliteFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS nodes (
    grp TEXT NOT NULL,
    node TEXT NOT NULL,
    bdseq TEXT,                           -- number of the session; up to 64 bits without a sign
    seq INTEGER,                          -- of the last message; NULL: a session has to begin
    born TEXT NOT NULL,                   -- JSON list of devices, "" for the node
    metrics TEXT NOT NULL,                -- JSON list of [alias or null, device, name, datatype, unit]
    heard INTEGER NOT NULL,               -- grows with each write
    PRIMARY KEY (grp, node)
) STRICT, WITHOUT ROWID;
"""

Key = tuple[str, str]


class Change(NamedTuple):
    """A node to be kept. births: whether its metrics changed, too."""

    key: Key
    node: Node
    births: bool


class Births(SqliteFile):
    """Nodes of one ingest process, in ``path``."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA, "file of Sparkplug births")

    def load(self) -> dict[Key, Node]:
        """All nodes, those last heard at the end."""
        found: dict[Key, Node] = {}
        for group, name, bdseq, seq, born, metrics in self.read(
            "SELECT grp, node, bdseq, seq, born, metrics FROM nodes ORDER BY heard, grp, node"
        ):
            node = Node(None if bdseq is None else int(bdseq), seq, born=set(json.loads(born)))
            for alias, *said in json.loads(metrics):
                defined = Defined(*said)
                node.metrics[defined.device, defined.name] = defined
                if alias is not None:
                    node.aliases[alias] = defined
            found[group, name] = node
        return found

    def save(self, changes: Iterable[Change], forgotten: Iterable[Key] = ()) -> None:
        """Keep nodes as they are now; when this returns, that is durable."""
        with self.write() as db:
            db.executemany("DELETE FROM nodes WHERE grp = ? AND node = ?", list(forgotten))
            (last,) = db.execute("SELECT COALESCE(MAX(heard), 0) FROM nodes").fetchone()
            for at, (key, node, anew) in enumerate(changes, last + 1):
                bdseq = None if node.bdseq is None else str(node.bdseq)
                said = (bdseq, node.seq, json.dumps(sorted(node.born)), at)
                done = 0
                if not anew:
                    done = db.execute(
                        "UPDATE nodes SET bdseq = ?, seq = ?, born = ?, heard = ? WHERE grp = ? AND node = ?",
                        (*said, *key),
                    ).rowcount
                if not done:
                    metrics = json.dumps([(alias, *defined) for alias, defined in births(node)])
                    db.execute(
                        "INSERT OR REPLACE INTO nodes (bdseq, seq, born, heard, grp, node, metrics)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?)",
                        (*said, *key, metrics),
                    )
