"""Text of dashboards in the language they are made in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """``say(english, indonesian)`` gives the text in its language. Both stand side by side where they are
    used: a dashboard is made once for each language, so there is no catalogue to look them up in."""

    language: str

    def __call__(self, english: str, indonesian: str) -> str:
        return indonesian if self.language == "id" else english
