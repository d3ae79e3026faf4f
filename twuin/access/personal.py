"""What of residents may be seen by right only, and is written down each time."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from twuin.access.current import current
from twuin.access.door import note_personal
from twuin.residents.model import Person
from twuin.residents.parts import Residents
from waterworks.errors import NotFound


def person_of(request: Request, residents: Residents, id: str) -> Person:
    """Who sent a report. Raises NotFound where that was erased, or the report is not theirs to see."""
    found = residents.desk.person(id, current().dmas)
    if found is None:
        raise NotFound("who sent this report has been erased")
    note_personal(request, f"report {id}")
    return found


def photo_of(request: Request, residents: Residents, id: str) -> Response:
    """The photo of a report. Raises NotFound where there is none, or not any more."""
    found = residents.desk.person(id, current().dmas)
    if found is None or found.photo is None:
        raise NotFound("this report has no photo, or not any more")
    note_personal(request, f"photo of report {id}")
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(found.photo, media_type="image/jpeg", headers=headers)
