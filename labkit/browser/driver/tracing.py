"""Record a Chromium trace, as DevTools' Performance panel does, straight into a compressed file."""

import asyncio
import base64
import gzip
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession

from labkit.base.files import whole

#: What DevTools' Performance panel records (front_end/panels/timeline/TimelineController.ts), without screenshots,
#: without what invalidated which node, and without the sampling profiler: they cost more than they tell here.
CATEGORIES = (
    "blink.console",
    "blink.user_timing",
    "devtools.timeline",
    "disabled-by-default-devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
    "disabled-by-default-devtools.timeline.stack",
    "latencyInfo",
    "loading",
    "v8.execute",
)


class Tracing:
    """A trace of the whole browser.

    Args:
        session: of the page: a trace that is started from the browser's own names no frames, and DevTools refuses it.
    """

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    async def start(self) -> None:
        """Record from now on."""
        await self._session.send(
            "Tracing.start",
            {
                "transferMode": "ReturnAsStream",
                # Not compressed there: Chromium's own gzip keeps the end of a recording waiting for 1 to 4 s.
                "streamFormat": "json",
                "traceConfig": {"includedCategories": list(CATEGORIES), "excludedCategories": ["*"]},
            },
        )

    async def stop(self, path: Path) -> None:
        """Stop, and write what was recorded to a ``.json.gz``, whole or not at all."""
        ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def end(told: dict[str, Any]) -> None:
            ended.set_result(told)

        self._session.once("Tracing.tracingComplete", end)
        await self._session.send("Tracing.end")
        stream = (await asyncio.wait_for(ended, 30))["stream"]
        try:
            with whole(path) as half, gzip.open(half, "wb") as file:
                while True:
                    piece = await self._session.send("IO.read", {"handle": stream, "size": 1 << 20})
                    data = piece["data"]
                    file.write(base64.b64decode(data) if piece.get("base64Encoded") else data.encode())
                    if piece["eof"]:
                        break
        finally:
            await self._session.send("IO.close", {"handle": stream})
