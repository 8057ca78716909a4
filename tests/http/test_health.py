"""Is it alive, is it ready, what is it doing."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

from twisted.internet.defer import Deferred, fail

from tests.http.harness import Server, ServerTestCase
from wonderq import __version__
from wonderq.broker import Stats
from wonderq.http.call import Call
from wonderq.http.health import status

TEXT = "text/plain; charset=utf-8"


class TroubledTestCase(ServerTestCase):
    """A server whose checks say what C{trouble} says."""

    def setUp(self) -> None:
        self.trouble: dict[str, str | None] = {"store": None, "drain": None}
        checks = {name: lambda name=name: self.trouble[name] for name in self.trouble}
        self.server = Server(self, checks=checks, about=lambda: {"store": "memory:", "connections": 3})


class HealthTests(TroubledTestCase):
    def test_livez_is_always_fine(self) -> None:
        self.trouble["store"] = "It burns."
        reply = self.server.request("GET", "/livez")
        self.assertEqual((reply.status, reply.body, reply.headers["content-type"]), (200, b"ok\n", TEXT))

    def test_readyz_and_healthz_are_fine_when_every_check_is(self) -> None:
        for path in ("/readyz", "/healthz"):
            reply = self.server.request("GET", path)
            self.assertEqual((reply.status, reply.body, reply.headers["content-type"]), (200, b"ok\n", TEXT))

    def test_they_name_the_checks_that_fail(self) -> None:
        self.trouble["drain"] = "The server is stopping."
        for path in ("/readyz", "/healthz"):
            reply = self.server.request("GET", path)
            self.assertProblem(reply, 503, "not-ready", detail="drain: The server is stopping.")
            self.assertEqual(reply.headers["retry-after"], "1")
            self.assertEqual(self.server.request("HEAD", path).status, 503)

    def test_verbose_lists_every_check(self) -> None:
        for query in ("verbose=true", "verbose", "x=%zz&verbose=true"):
            reply = self.server.request("GET", f"/readyz?{query}")
            self.assertEqual((reply.status, reply.body), (200, b"[+]store ok\n[+]drain ok\n"))
        self.trouble["drain"] = "The server is stopping."
        reply = self.server.request("GET", "/readyz?verbose=true")
        self.assertEqual((reply.status, reply.headers["content-type"]), (503, TEXT))
        self.assertEqual(reply.body, b"[+]store ok\n[-]drain The server is stopping.\n")

    def test_unknown_parameters_are_ignored(self) -> None:
        for path in ("/livez", "/readyz", "/healthz", "/metrics"):
            for query in ("", "x", "x=1&x=1", "%zz", "verbose=false"):
                reply = self.server.request("GET", f"{path}?{query}")
                self.assertEqual(reply.status, 200)

    def test_a_body_has_no_place_here_either(self) -> None:
        for path in ("/livez", "/readyz", "/healthz", "/metrics", "/v1/status"):
            self.assertRefused(400, "unexpected-body", "GET", path, b"x")


class StatusTests(TroubledTestCase):
    def test_status_tells_an_operator_what_is_going_on(self) -> None:
        self.server.publish(b"12345")
        self.server.receive()
        self.server.clock.advance(2.5)
        status = self.server.request("GET", "/v1/status").json
        totals = status.pop("totals")
        self.assertEqual(
            status,
            {
                "version": __version__,
                "ready": True,
                "checks": {"store": None, "drain": None},
                "durability": "memory",
                "startedAt": "2026-05-28T20:26:40.250Z",
                "uptime": 2.5,
                "store": "memory:",
                "connections": 3,
                "leases": 1,
                "queues": [ANY],
            },
        )
        self.assertEqual(status["queues"], [self.server.request("GET", "/v1/queues/default").json])
        self.assertEqual(totals["messages_published"], {"default": 1})

    def test_status_says_why_the_server_is_not_ready(self) -> None:
        self.trouble["store"] = "It burns."
        status = self.server.request("GET", "/v1/status").json
        self.assertEqual((status["ready"], status["checks"]["store"]), (False, "It burns."))

    def test_status_tells_what_it_can_while_the_broker_cannot(self) -> None:
        self.server = Server(self, start=False)
        reply = self.server.request("GET", "/v1/status")
        self.assertEqual(reply.status, 200)
        status = reply.json
        self.assertEqual((status["ready"], status["version"]), (False, __version__))
        self.assertEqual((status["leases"], status["totals"], status["queues"]), (None, None, None))
        self.assertEqual(self.server.request("GET", "/livez").status, 200)
        self.assertEqual(self.server.request("GET", "/readyz").status, 503)

    def test_status_takes_no_parameters(self) -> None:
        self.assertRefused(400, "unknown-parameter", "GET", "/v1/status?verbose=true", parameter="verbose")

    def test_what_nobody_foresaw_is_not_hidden(self) -> None:
        class Broken:
            durability = "memory"

            def stats(self) -> Deferred[Stats]:
                return fail(ZeroDivisionError())

        broken: Any = Broken()
        self.failureResultOf(status(broken, {}, {}, Call(b"", lambda name: None)), ZeroDivisionError)
