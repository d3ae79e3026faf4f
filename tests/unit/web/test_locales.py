"""Both languages say everything, and each reader gets the right one."""

from __future__ import annotations

import re

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg

from twuin.web.locales import FOLDER, LANGUAGES, choose, language, read_catalogue


def extracted() -> set[str]:
    with (FOLDER / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(FOLDER.parent, methods, options)
    return {m if isinstance(m, str) else m[0] for _, _, m, _, _ in found}


@pytest.mark.parametrize("code", LANGUAGES)
def test_catalogue_holds_exactly_the_messages_that_the_pages_use(code: str) -> None:
    used = extracted()
    held = {m.id if isinstance(m.id, str) else m.id[0] for m in read_catalogue(code) if m.id}
    assert used - held == set(), "missing: run the commands of docs/pages.md"
    assert held - used == set(), "no longer used: run the commands of docs/pages.md"


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_message_is_translated_and_none_is_fuzzy(code: str) -> None:
    for message in read_catalogue(code):
        if not message.id:
            continue
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(forms), message.id
        assert not message.fuzzy, message.id


@pytest.mark.parametrize("code", LANGUAGES)
def test_translations_keep_the_places_for_values(code: str) -> None:
    def places(text: str) -> set[str]:
        return set(re.findall(r"%\(\w+\)s", text))

    for message in read_catalogue(code):
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        for form in forms:
            if message.id:
                assert places(form) == places(ids[0]), message.id


def test_indonesian_differs_from_english_but_for_words_that_both_share() -> None:
    same = {
        m.id
        for m in read_catalogue("id")
        if isinstance(m.id, str) and m.id and m.id == m.string and re.search("[a-z]{2}", m.id)
    }
    assert same == {
        "Administrator",
        "Broker",
        "Firmware",
        "Normal",
        "Radius 50 %",
        "Radius 90 %",
        "Sensor",
        "Simulator",
        "Step test",
        "Volume",
        "demo",
    } | {"diameter %(value)s mm"}


def test_scripts_get_their_messages_and_no_others() -> None:
    messages = language("id").script_messages
    assert messages["Inflow"] == "Debit masuk"
    assert "Where to look first" not in messages


def test_plural_forms_follow_the_language() -> None:
    forms = ("%(n)s day", "%(n)s days")
    assert language("en").messages.ngettext(*forms, 1) == "%(n)s day"
    assert language("en").messages.ngettext(*forms, 2) == "%(n)s days"
    assert language("id").messages.ngettext(*forms, 2) == "%(n)s hari"


@pytest.mark.parametrize(
    ("cookie", "header", "code"),
    [
        (None, None, "id"),
        (None, "", "id"),
        (None, "de-DE,fr;q=0.9", "id"),
        (None, "en-US,en;q=0.9,id;q=0.8", "en"),
        (None, "de,en;q=0.3,id;q=0.7", "id"),
        (None, "in-ID", "id"),
        (None, "en;q=0,id;q=0.1", "id"),
        (None, "en;q=nonsense", "id"),
        (None, "*;q=0.5, EN", "en"),
        ("en", "id", "en"),
        ("id", "en", "id"),
        ("xx", "en", "en"),
    ],
)
def test_own_choice_goes_before_the_browser_and_the_browser_before_the_default(
    cookie: str | None, header: str | None, code: str
) -> None:
    assert choose(cookie, header) == code
