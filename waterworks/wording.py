"""Small words in messages to people."""

from __future__ import annotations


def counted(count: int, one: str, many: str = "") -> str:
    """``1 tank``, ``2 tanks``, ``19,512 tanks``; ``many`` where an s does not make the plural."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
