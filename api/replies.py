"""A response that is ready to be sent, whoever made it and whatever sends it."""

from http import HTTPStatus
from typing import NamedTuple

Headers = list[tuple[str, str]]

LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Reply(NamedTuple):
    """Status, headers and body of a response."""

    status: int
    headers: Headers
    body: bytes

    @property
    def status_line(self) -> str:
        """The status as WSGI wants it, such as '200 OK'."""
        return LINES.get(self.status, f"{self.status} Unknown")
