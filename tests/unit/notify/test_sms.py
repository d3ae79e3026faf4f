"""Short messages are measured, not guessed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from twuin.notify.sms import fit, fits, length, plain


def test_letters_of_the_gsm_alphabet_count_one_its_extensions_two() -> None:
    assert length("a" * 160) == (160, 160) and fits("a" * 160)
    assert not fits("a" * 161)
    assert length("€" * 80) == (160, 160)
    assert not fits("€" * 80 + "a")


def test_one_letter_beyond_it_makes_the_whole_message_seventy_long() -> None:
    assert length("Ж" + "a" * 69) == (70, 70) and fits("Ж" + "a" * 69)
    assert not fits("Ж" + "a" * 70)
    assert length("😀") == (2, 70)  # UTF-16: a pair


def test_typography_and_accents_are_made_plain_where_that_saves_the_alphabet() -> None:
    assert plain("12,4\u00a0m³/jam – “Ngêmplak”…") == '12,4 m3/jam - "Ngemplak"...'
    assert plain("Água Ж") == "Agua Ж"


def test_parts_that_do_not_fit_are_left_out_and_shorter_ones_still_come() -> None:
    text = fit("Kebocoran di Dinoyo", ["20 m3/jam", "x" * 150, "https://t.example/a/1"])
    assert text == "Kebocoran di Dinoyo 20 m3/jam https://t.example/a/1"


@settings(deadline=None)  # a loaded machine is slow, not wrong
@given(st.text(max_size=400), st.lists(st.text(max_size=200), max_size=6))
def test_whatever_is_said_is_one_short_message(first: str, parts: list[str]) -> None:
    assert fits(fit(first, parts))
