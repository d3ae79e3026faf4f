"""Who asks, and whether they may: what HTTP makes of ``twuin.accounts``.

``install_access`` puts it before an application; routes are made with ``guarded_router`` and say with
``needs`` what they take; ``check_routes`` refuses an application that has a route which does not.
"""

from twuin.access.door import Access as Access
from twuin.access.door import AccountAccess as AccountAccess
from twuin.access.door import OpenAccess as OpenAccess
from twuin.access.door import install_access as install_access
from twuin.access.routes import GuardedRoute as GuardedRoute
from twuin.access.routes import check_routes as check_routes
from twuin.access.routes import guarded_router as guarded_router
from twuin.access.routes import needs as needs
