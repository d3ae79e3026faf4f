"""The HTTP interface under /api/v1, to be put together by the application.

``install_errors`` and ``install_guards`` prepare an application, ``api_router`` holds the routes.
"""

from twuin.api.guards import install_guards as install_guards
from twuin.api.problems import install_errors as install_errors
from twuin.api.router import api_router as api_router
