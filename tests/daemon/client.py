"""A client of the server that blocks, for tests: one connection, used by one thread at a time."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import urlencode


class NotSent(Exception):
    """Nobody listens: what was asked for was surely not done."""


class NoAnswer(Exception):
    """The connection broke before the answer: what was asked for may or may not have been done."""


class Refused(Exception):
    """An answer that is no success.

    @ivar answer: the L{Answer}.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body[:300]!r}")
        self.answer = answer


class Answer(NamedTuple):
    """What came back, whatever it is."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def value(self) -> Any:
        """What the body says, in JSON."""
        return json.loads(self.body)


class Session:
    """The calls of the protocol, with its own names for parameters.

    @ivar timeout: seconds without a word from the server after which there is L{NoAnswer}.
    """

    def __init__(self, port: int, timeout: float = 30.0) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/octet-stream",
        **parameters: Any,
    ) -> Answer:
        """Ask, and return the answer.

        @raise NotSent, NoAnswer: there is none.
        """
        target = path + ("?" + urlencode(parameters) if parameters else "")
        headers = {} if body is None else {"Content-Type": content_type}
        try:
            if self._connection.sock is None:
                self._connection.connect()
        except OSError as error:
            raise NotSent(str(error)) from error
        try:
            self._connection.request(method, target, body, headers)
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(repr(error)) from error

    def succeed(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/octet-stream",
        **parameters: Any,
    ) -> Answer:
        """Ask, and return the answer if it is a success.

        @raise Refused: it is none.
        """
        answer = self.call(method, path, body, content_type, **parameters)
        if answer.status >= 300:
            raise Refused(answer)
        return answer

    def publish(self, body: bytes, content_type: str = "application/octet-stream", **parameters: Any) -> int:
        """Publish one message and return its id."""
        return int(self.succeed("POST", "/v1/publish", body, content_type, **parameters).value["messageId"])

    def publish_batch(self, envelopes: list[dict[str, object]], **parameters: Any) -> list[int]:
        """Publish messages in one transaction and return their ids."""
        body = json.dumps(envelopes).encode()
        answer = self.succeed("POST", "/v1/publish/batch", body, "application/json", **parameters)
        ids: list[int] = answer.value["messageIds"]
        return ids

    def receive(self, cid: str, **parameters: Any) -> list[dict[str, Any]]:
        """Receive messages."""
        messages: list[dict[str, Any]] = self.succeed("POST", "/v1/consumer", cid=cid, **parameters).value
        return messages

    def delete(self, cid: str, **parameters: Any) -> Any:
        """Delete one message (C{id=1}) or several (C{id="1,2"}); return the answer."""
        return self.succeed("DELETE", "/v1/consumer", cid=cid, **parameters).value

    def settle(self, cid: str, **parameters: Any) -> Any:
        """Extend, release or bury; return the answer."""
        return self.succeed("PATCH", "/v1/consumer", cid=cid, **parameters).value

    def counts(self, queue: str = "default") -> dict[str, int]:
        """Return the counts of a queue."""
        counts: dict[str, int] = self.succeed("GET", f"/v1/queues/{queue}").value["counts"]
        return counts
