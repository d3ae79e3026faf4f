"""The security log speaks the reader's language of accounts, and quotes all else."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from twuin.accounts.model import What
from twuin.web.account_words import AccountWords
from twuin.web.formats import Formats
from twuin.web.locales import language


@pytest.mark.parametrize(
    ("what", "logged", "told"),
    [
        (What.ACCOUNT_MADE, "viewer, only D1 D2", "Pengamat, hanya D1 D2"),
        (What.ACCOUNT_CHANGED, "crew -> dispatcher, disabled", "Regu lapangan → Petugas kendali, nonaktif"),
        (What.ACCOUNT_MADE, "crew, by the provider", "Regu lapangan, penyedia"),
        (What.PASSWORD_CHANGED, "by one-time code", "dengan kode sekali pakai"),
        (What.REFUSED, "GET /bills", "GET /bills"),
        (What.SIGN_IN_FAILED, "", ""),
    ],
)
def test_details_of_the_log_are_told_in_the_readers_language(what: What, logged: str, told: str) -> None:
    messages = language("id").messages
    formats = Formats("id", messages.gettext, messages.ngettext, ZoneInfo("Asia/Jakarta"), "IDR", 2026)
    assert AccountWords(formats).detail(what, logged) == told
