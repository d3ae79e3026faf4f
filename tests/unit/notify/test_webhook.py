"""Webhooks: what is signed, and that the published schema is the one of the program."""

from __future__ import annotations

import json
from pathlib import Path

from twuin.notify.webhook import key_of, sign
from twuin.notify.webhook_body import schema


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    """From the test of the reference library (standard-webhooks/standard-webhooks, libraries/python)."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_schema_is_that_of_the_program(root: Path) -> None:
    path = root / "docs" / "schema" / "webhook.schema.json"
    made = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    assert path.read_text(encoding="utf-8") == made, (
        "write it anew: python -c 'import json; from twuin.notify.webhook_body import schema; "
        f"print(json.dumps(schema(), indent=2, ensure_ascii=False))' > {path.relative_to(root)}"
    )
