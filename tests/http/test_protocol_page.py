"""What docs/protocol.md says is what the server does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgspec

from tests.http.harness import ServerTestCase
from tests.test_readme import ADDRESS, agrees, steps
from wonderq.http.problems import STATUS
from wonderq.model import QueueSettings

PAGE = (Path(__file__).parent.parent.parent / "docs" / "protocol.md").read_text(encoding="utf-8")


class PageTests(ServerTestCase):
    def curl(self, command: str) -> str:
        """Do what curl would do, without a network."""
        words = iter(shlex.split(command))
        self.assertEqual(next(words), "curl")
        method, body, headers, url = "", b"", {}, ""
        for word in words:
            if word == "-X":
                method = next(words)
            elif word == "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            elif word in ("-d", "--json"):
                method, body = method or "POST", next(words).encode()
                headers |= {"Content-Type": "application/json"} if word == "--json" else {}
            else:
                url = word
        self.assertTrue(url.startswith(ADDRESS + "/"), command)
        reply = self.server.request(method or "GET", url.removeprefix(ADDRESS), body, headers)
        return reply.body.decode().rstrip("\n")

    def test_every_example_prints_what_the_page_says(self) -> None:
        examples = steps(PAGE)
        self.assertGreater(len(examples), 20)
        for example in examples:
            self.server.clock.advance(0.001)
            printed = self.curl(example.command)
            promised = example.printed
            self.assertTrue(agrees(printed, promised), f"$ {example.command}\n{printed}\nis not\n{promised}")

    def test_the_table_of_errors_is_whole(self) -> None:
        rows = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", PAGE, re.M)
        known = {(str(status), error.slug) for error, status in STATUS.items()} | {("500", "internal-error")}
        self.assertEqual(sorted(rows), sorted(known))

    def test_every_setting_has_its_row_and_default(self) -> None:
        for field in msgspec.structs.fields(QueueSettings):
            row = re.search(rf"^\| `{field.encode_name}` \|.*\| ([0-9,]+)[^|]*\|$", PAGE, re.M)
            assert row is not None, field.encode_name
            self.assertEqual(float(row[1].replace(",", "")), field.default)
