from __future__ import annotations

from typing import Any

import pytest

from twuin.views.views import Views


@pytest.fixture
def views(small_town: Any) -> Views:
    t = small_town
    return Views(t.site, t.store, t.alerts, clock=t.clock, network=t.network, rejected=t.rejected)
