"""The example in docs/client.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.trial.unittest import TestCase

from tests.network import HTTPHarness

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
URL = "http://127.0.0.1:8080"

reactor: Any = installed


class TestDocumentation(TestCase):
    timeout = 30

    async def test_the_example_publishes_receives_and_deletes(self) -> None:
        harness = HTTPHarness()
        self.addCleanup(harness.close)
        port = reactor.listenTCP(0, harness.site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        [example] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
        self.assertIn(URL, example)
        printed: list[object] = []
        names: dict[str, Any] = {"__name__": "example", "print": lambda *words: printed.extend(words)}
        exec(example.replace(URL, f"http://127.0.0.1:{port.getHost().port}"), names)
        await names["main"](reactor)
        self.assertEqual(printed, ["sending", b'{"to": "ada@example.com"}'])
        stats = await harness.local.stats()
        self.assertEqual(stats.totals["messages_deleted"], {"default": 1})
