"""A headless Chromium driven over its debugging pipe, with nothing but the standard library."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from programs import find_program

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_PATIENCE = 60.0
# Chromium reads its orders from descriptor 3 and answers on 4.
_CONNECT = """
import os, sys
orders, answers = (int(text) for text in sys.argv[1:3])
high = [os.dup(os.dup(os.dup(os.dup(fd)))) for fd in (orders, answers)]
for held, wanted in zip(high, (3, 4)):
    os.dup2(held, wanted)
    os.set_inheritable(wanted, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One tab: open a page, ask it, look at it, and what it complained of or asked the net for."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read = write, read
        self._buffer = b""
        self._last = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def open(self, path: Path, *, width: int = 1280, height: int = 900) -> None:
        """Open a file and wait until it says that it is drawn."""
        self.complaints.clear()
        self.requests.clear()
        self.resize(width, height)
        self._ask("Page.navigate", url=path.resolve().as_uri())
        self.wait("document.documentElement.dataset.drawn")

    def resize(self, width: int, height: int) -> None:
        """Give the window a size in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **metrics)

    def media(self, *, medium: str = "", **features: str) -> None:
        """Pretend another medium (print) or preference (prefers_color_scheme="dark")."""
        listed = [{"name": k.replace("_", "-"), "value": v} for k, v in features.items()]
        self._ask("Emulation.setEmulatedMedia", media=medium, features=listed)

    def run(self, script: str) -> Any:
        """The value of an expression; promises are waited for."""
        found = self._ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until an expression is true; returns its value."""
        limit = time.monotonic() + _PATIENCE
        while True:
            value = self.run(f"(() => {{ try {{ return {script} }} catch {{ return null }} }})()")
            if value:
                return value
            assert time.monotonic() < limit, f"never true: {script}"
            time.sleep(0.02)

    def press(self, key: str, *, text: str = "") -> None:
        """Press a key as a person would."""
        codes = {"Enter": 13, "Tab": 9, " ": 32}
        how = {"key": key, "windowsVirtualKeyCode": codes.get(key, 0), "code": key}
        self._ask("Input.dispatchKeyEvent", type="keyDown", text=text, **how)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **how)

    def click(self, x: float, y: float) -> None:
        """Click at a point of the window."""
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            button = "none" if kind == "mouseMoved" else "left"
            self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1)

    def picture(self, *, whole: bool = False) -> bytes:
        """A screenshot (PNG) of the window, or of the whole page."""
        found = self._ask("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])

    def printed(self) -> bytes:
        """The page as PDF, as it would be printed."""
        found = self._ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        return base64.b64decode(found["data"])

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            self._note(answer)

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], _PATIENCE)
            assert ready, "Chromium doesn't answer"
            got = os.read(self._read, 1 << 20)
            assert got, "Chromium ended"
            self._buffer += got
        text, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(text))

    def _note(self, event: dict[str, Any]) -> None:
        method, told = event.get("method", ""), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            self.complaints.append(str(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(str(told["entry"]))
        elif method == "Network.requestWillBeSent":
            address = told["request"]["url"]
            if not address.startswith("data:"):
                self.requests.append(address)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with a profile of its own under ``folder``; it ends with the block."""
    program = find_program("chromium")
    assert program is not None
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()

    command = [sys.executable, "-c", _CONNECT, str(to_read), str(from_write), str(program)]
    process = subprocess.Popen(
        [*command, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(to_read, from_write),
        start_new_session=True,
    )
    os.close(to_read)
    os.close(from_write)
    try:
        yield Browser(to_write, from_read)
    finally:
        os.close(to_write)
        os.close(from_read)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=_PATIENCE)
