from __future__ import annotations

from typing import Any

import pytest

from firmware_sim.town import demo_site_folder
from twuin.views.views import Views
from waterworks.epanet_file import read_network
from waterworks.network import Network
from waterworks.site import Site
from waterworks.site_folder import read_site


@pytest.fixture
def views(small_town: Any) -> Views:
    views: Views = small_town.views()
    return views


@pytest.fixture(scope="session")
def site() -> Site:
    """The demo town's."""
    return read_site(demo_site_folder())


@pytest.fixture(scope="session")
def network(site: Site) -> Network:
    """Its model."""
    assert site.network_file is not None
    return read_network(site.network_file)
