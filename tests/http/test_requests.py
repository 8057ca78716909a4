"""What holds for every request and every answer: paths, methods, headers, and which fault wins."""

from __future__ import annotations

from unittest.mock import ANY

from twisted.web.server import Site as PlainSite

from tests.http.harness import HeldJournal, Server, ServerTestCase
from wonderq.http.api import Api
from wonderq.local.journal import MemoryJournal
from wonderq.model import Message

ROUTES = {
    "/v1/publish": "OPTIONS, POST",
    "/v1/publish/batch": "OPTIONS, POST",
    "/v1/consumer": "DELETE, GET, OPTIONS, PATCH, POST",
    "/v1/messages/1": "GET, HEAD, OPTIONS",
    "/v1/queues/default": "DELETE, GET, HEAD, OPTIONS, PUT",
    "/livez": "GET, HEAD, OPTIONS",
    "/readyz": "GET, HEAD, OPTIONS",
    "/healthz": "GET, HEAD, OPTIONS",
    "/metrics": "GET, HEAD, OPTIONS",
    "/v1/status": "GET, HEAD, OPTIONS",
}


class PathTests(ServerTestCase):
    def test_there_is_nothing_elsewhere(self) -> None:
        for path in (
            "/", "/v1", "/v1/", "/v1/queues", "/v1/publish/", "/V1/publish", "/v1/queues/a/", "/livez/x",
            "/favicon.ico", "/v1/queues/a/messages", "/v1/messages/", "/v1/messages/1/2", "/index.html",
            "/v1/publish;x",
        ):  # fmt: skip
            self.assertRefused(404, "not-found", "GET", path)

    def test_paths_that_could_be_misunderstood_are_refused(self) -> None:
        for path in (
            "/v1/queues/a%2Fmessages", "/v1/queues/%00", "//v1/publish", "/v1//publish", "/v1/queues/..",
            "/v1/queues/.", "/v1/queues/%2e%2e", "/v1/queues/%ff", "/v1/queues/%0d%0aX:1", "/v1/queues/%zz",
            "/v1/queues/a#b",
            "/v1/queues/\x80", "/v1/queues/a\x7f", "/v1/queues/a\\b", "http://evil/v1/publish", "v1/publish",
        ):  # fmt: skip
            for method in ("GET", "PUT"):
                self.assertRefused(400, "bad-request", method, path)

    def test_an_escape_of_a_plain_character_is_that_character(self) -> None:
        self.assertEqual(self.server.request("GET", "/v1/queues/%64efault").json["name"], "default")

    def test_nobody_is_sent_elsewhere(self) -> None:
        for path in ("//evil.example/..", "/v1/queues//default", "/v1/queues/default/", "/v1/publish//", "/livez//"):
            reply = self.server.request("GET", path)
            self.assertNotIn("location", reply.headers)
            self.assertGreaterEqual(reply.status, 400)

    def test_an_error_shows_nothing_of_what_came_in(self) -> None:
        mark = "Zq7x"
        for method, target in (
            ("GET", f"/<script>{mark}"),
            ("GET", f"/{mark}"),
            ("GET", f"/v1/queues/{mark}%20"),
            ("POST", f"/v1/consumer?cid=%3Cb%3E{mark}"),
            ("POST", f"/v1/consumer?cid=1&%3Cb%3E{mark}=1"),
            (mark, "/v1/publish"),
        ):
            reply = self.server.request(method, target)
            self.assertNotIn(mark.encode(), reply.body)
            self.assertNotIn(mark, str(reply.headers))


class MethodTests(ServerTestCase):
    def test_options_names_the_methods_of_a_path(self) -> None:
        for path, allow in ROUTES.items():
            reply = self.server.request("OPTIONS", path)
            self.assertEqual((reply.status, reply.body, reply.headers["allow"]), (204, b"", allow), path)
            self.assertNotIn("access-control-allow-origin", reply.headers)
        self.assertRefused(404, "not-found", "OPTIONS", "/nothing")

    def test_the_routes_are_all_known_here(self) -> None:
        rules = {
            str(rule).replace("<name>", "default").replace("<message>", "1") for rule in Api.app.url_map.iter_rules()
        }
        self.assertEqual(rules, set(ROUTES))

    def test_other_methods_are_not_allowed(self) -> None:
        for path, allow in ROUTES.items():
            for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - set(allow.split(", ")):
                reply = self.server.request(method, path)
                self.assertEqual((reply.status, reply.headers["allow"]), (405, allow), (method, path))
                if method != "HEAD":
                    self.assertEqual(reply.json["code"], "method-not-allowed")

    def test_unknown_methods_are_not_implemented(self) -> None:
        for method in ("get", "Post", "FOO", "TRACE", "CONNECT", "PROPFIND", "FOO!#$"):
            for path in ("/v1/publish", "/nothing"):
                self.assertRefused(501, "not-implemented", method, path)

    def test_head_is_get_without_the_body(self) -> None:
        self.server.publish()
        for path, allow in ROUTES.items():
            if "HEAD" in allow and path not in ("/metrics",):
                got, head = self.server.request("GET", path), self.server.request("HEAD", path)
                self.assertEqual((head.status, head.body), (200, b""))
                self.assertEqual(dict(head.headers) | {"date": ANY}, dict(got.headers) | {"date": ANY})
                self.assertEqual(int(head.headers["content-length"]), len(got.body))

    def test_head_on_consumer_leases_nothing(self) -> None:
        self.server.publish()
        self.assertEqual(self.server.request("HEAD", "/v1/consumer?cid=1").status, 405)
        self.assertEqual(self.server.receive()[0]["receives"], 1)

    def test_no_header_overrides_the_method(self) -> None:
        headers = {"X-HTTP-Method-Override": "DELETE"}
        self.server.request("PUT", "/v1/queues/a")
        self.assertEqual(self.server.request("GET", "/v1/queues/a", b"", headers).status, 200)


class HeaderTests(ServerTestCase):
    def test_every_answer_is_kept_by_nobody_and_guessed_by_nobody(self) -> None:
        for method, target in (
            ("POST", "/v1/publish"),
            ("GET", "/v1/consumer?cid=1"),
            ("GET", "/v1/consumer"),
            ("GET", "/nothing"),
            ("PUT", "/livez"),
            ("GET", "/livez"),
            ("GET", "/metrics"),
            ("GET", "/v1/status"),
            ("GET", "/%00"),
            ("FOO", "/"),
        ):
            reply = self.server.request(method, target)
            self.assertEqual(reply.headers["cache-control"], "no-store")
            self.assertEqual(reply.headers["x-content-type-options"], "nosniff")
            self.assertEqual(int(reply.headers["content-length"]), len(reply.body))
            self.assertNotIn("html", reply.headers["content-type"])
            self.assertNotIn("server", reply.headers)
            self.assertNotIn("set-cookie", reply.headers)

    def test_an_answer_without_content_has_no_length(self) -> None:
        reply = self.server.request("OPTIONS", "/livez")
        self.assertNotIn("content-length", reply.headers)
        self.assertEqual(reply.headers["cache-control"], "no-store")

    def test_compressed_requests_are_refused_everywhere(self) -> None:
        for method, target in (
            ("POST", "/v1/publish"),
            ("POST", "/v1/publish/batch"),
            ("POST", "/v1/consumer?cid=1"),
            ("DELETE", "/v1/consumer?cid=1&id=1"),
            ("PUT", "/v1/queues/a"),
            ("GET", "/v1/messages/1"),
        ):
            self.assertRefused(415, "unsupported-media-type", method, target, headers={"Content-Encoding": "gzip"})
            headers = {"Content-Encoding": "identity"}
            self.assertNotEqual(self.server.request(method, target, b"", headers).status, 415)

    def test_range_accept_and_upgrade_are_ignored(self) -> None:
        self.server.publish(b"12345")
        headers = {"Range": "bytes=0-1", "Accept": "application/xml", "Upgrade": "h2c", "Connection": "Upgrade"}
        reply = self.server.request("GET", "/v1/messages/1", b"", headers)
        self.assertEqual((reply.status, reply.json["body"]), (200, "12345"))


class FaultTests(ServerTestCase):
    def test_which_fault_wins(self) -> None:
        gzip = {"Content-Encoding": "gzip"}
        bad_host = {"Host": ["a", "b"]}
        big = b"x" * (1024 * 1024 + 1)
        for code, method, target, body, headers in (
            # framing before path, path before method, method before content type,
            ("bad-request", "POST", "/nothing", b"", bad_host),
            ("not-found", "PUT", "/nothing", b"{", gzip),
            ("method-not-allowed", "PUT", "/v1/publish?x=1", b"{", gzip),
            # content type before parameters and body,
            ("unsupported-media-type", "POST", "/v1/publish?x=1", b"{", gzip),
            ("unsupported-media-type", "POST", "/v1/publish/batch?x=1", b"{", {"Content-Type": "a/b"}),
            ("unsupported-media-type", "POST", "/v1/consumer?x=1", b"{", gzip),
            ("unsupported-media-type", "PUT", "/v1/queues/-?x=1", b"{", {"Content-Type": "a/b"}),
            # those before the queue,
            ("unknown-parameter", "POST", "/v1/publish?queue=nope&x=1", big, {}),
            ("invalid-json", "POST", "/v1/publish?queue=nope", b"{", {"Content-Type": "application/json"}),
            ("invalid-parameter", "POST", "/v1/consumer?cid=1&queue=nope&wait=61", b"", {}),
            ("invalid-setting", "PUT", "/v1/queues/default", b'{"lease":0}', {"If-None-Match": "*"}),
            # and the queue before its limits.
            ("no-such-queue", "POST", "/v1/publish?queue=nope", big, {}),
            ("message-too-large", "POST", "/v1/publish", big, {}),
        ):
            reply = self.server.request(method, target, body, headers)
            self.assertEqual(reply.json["code"], code, (method, target))

    def test_a_broker_that_is_not_ready(self) -> None:
        self.server = Server(self, start=False)
        for method, target, body in (
            ("POST", "/v1/publish", b"x"),
            ("POST", "/v1/publish/batch", b'[{"body":1}]'),
            ("POST", "/v1/consumer?cid=1&wait=5", b""),
            ("DELETE", "/v1/consumer?cid=1&id=1", b""),
            ("PATCH", "/v1/consumer?cid=1&id=1&delay=0", b""),
            ("GET", "/v1/messages/1", b""),
            ("PUT", "/v1/queues/a", b""),
            ("GET", "/v1/queues/a", b""),
            ("DELETE", "/v1/queues/a", b""),
        ):
            reply = self.server.request(method, target, body)
            self.assertProblem(reply, 503, "not-ready", parameter=ANY)
            self.assertEqual(reply.headers["retry-after"], "1")
        # What is wrong with a request is said all the same.
        self.assertRefused(400, "missing-parameter", "POST", "/v1/consumer", parameter="cid")

    def test_a_full_disk_takes_no_more_messages(self) -> None:
        self.server = Server(self, journal=FullJournal())
        for target, body in (("/v1/publish", b"x"), ("/v1/publish/batch", b'[{"body":1}]')):
            reply = self.server.request("POST", target, body)
            self.assertProblem(reply, 507, "disk-full")
            self.assertEqual(reply.headers["retry-after"], "60")
        self.assertEqual(self.server.receive(), [])

    def test_a_store_that_fails_answers_that_it_is_not_available(self) -> None:
        journal = HeldJournal()
        self.server = Server(self, journal=journal)
        journal.holding = True
        connection = self.server.connect()
        connection.request("POST", "/v1/publish", b"x")
        journal.fail()
        (reply,) = connection.replies()
        self.assertProblem(reply, 503, "store-unavailable")
        self.assertEqual(reply.headers["retry-after"], "1")

    def test_what_nobody_foresaw_is_logged_once_and_not_shown(self) -> None:
        self.server = Server(self, journal=BrokenJournal())
        reply = self.server.request("POST", "/v1/publish", b"x")
        self.assertProblem(reply, 500, "internal-error")
        self.assertNotIn(b"swordfish", reply.body)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class FullJournal(MemoryJournal):
    """A disk with no room."""

    def has_room(self, size: int) -> bool:
        return False


class BrokenJournal(MemoryJournal):
    """A journal with a bug."""

    def publish(self, message: Message, delayed: bool) -> None:
        raise ZeroDivisionError("swordfish")


class MountTests(ServerTestCase):
    def test_the_resource_works_in_anybodys_site(self) -> None:
        self.server = Server(self, site=lambda resource, clock: PlainSite(resource, reactor=clock))
        self.server.publish(b"hello")
        self.assertEqual(self.server.receive()[0]["body"], "hello")
        for host in ("a..b", "x" * 64 + ".example", "[::1]:8080", "localhost:99999", "\xe9"):
            self.assertEqual(self.server.request("GET", "/livez", b"", {"Host": host}).status, 200)
        self.assertRefused(404, "not-found", "GET", "/nothing")
        self.assertRefused(400, "bad-request", "GET", "/v1/queues/a%2Fb")
        self.assertRefused(501, "not-implemented", "get", "/livez")
