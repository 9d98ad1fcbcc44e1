"""A headless Chromium, driven through its DevTools pipe: no driver, no library, no port."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# DevTools reads commands from descriptor 3 and answers on 4; a shell cannot be trusted with both
LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    " os.execv(sys.argv[3], sys.argv[3:])"
)
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    # the pages are our own; containers often have neither namespaces nor a large /dev/shm
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--mute-audio",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def find_browser() -> str | None:
    """Chromium or Chrome on the path; None where there is none.

    Ubuntu's `chromium-browser` is a script that only says where to get one.
    """
    paths = [path for name in NAMES if (path := shutil.which(name))]
    version = ["--version"]
    return next((p for p in paths if not subprocess.run([p, *version], **QUIET).returncode), None)


class Browser:
    """One tab.

    events: everything that the browser told, in order. timeout: seconds for one answer, which only
    a browser that hangs takes.
    """

    def __init__(self, program: str, profile: Path, timeout: float = 300.0) -> None:
        profile.mkdir(parents=True)
        self.timeout = timeout
        self.events: list[dict[str, Any]] = []
        self._number = 0
        self._rest = b""
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # moved away from 3 and 4, which the child overwrites
        ends = [os.dup(fd) for fd in (to_read, to_write)]
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                LAUNCH,
                *map(str, ends),
                program,
                *FLAGS,
                f"--user-data-dir={profile}",
                "about:blank",
            ],
            pass_fds=ends,
            **QUIET,
        )
        for fd in (to_read, to_write, *ends):
            os.close(fd)
        targets = self.call("Target.getTargets", session=None)["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        found = self.call("Target.attachToTarget", session=None, targetId=page, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def close(self) -> None:
        """End the browser and close the pipe."""
        try:
            self.call("Browser.close", session=None)
            self._process.wait(self.timeout)
        except (OSError, TimeoutError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def call(self, method: str, session: str | None = "", **params: Any) -> dict[str, Any]:
        """A DevTools command; its result. RuntimeError where the browser refuses it."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + self.timeout
        while True:
            for told in self._read(until):
                if told.get("id") == number:
                    if "error" in told:
                        raise RuntimeError(f"{method}: {told['error']}")
                    return dict(told["result"])
                self.events.append(told)

    def open(self, path: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file in a window of this size and wait until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            mobile=width < 600,
            deviceScaleFactor=1,
        )
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.events.clear()
        told = self.call("Page.navigate", url=path.resolve().as_uri())
        if told.get("errorText"):
            raise RuntimeError(f"{path}: {told['errorText']}")
        # the end of this load: that of an earlier page may be told late
        loaded = {"name": "load", "loaderId": told["loaderId"]}
        self.wait_for("Page.lifecycleEvent", **loaded)

    def wait_for(self, method: str, seen: int = 0, **params: Any) -> dict[str, Any]:
        """Wait for an event with these parameters, or find it among those that came; all of them.

        seen: how many of the events do not count.
        """
        until = time.monotonic() + self.timeout
        while True:
            for event in self.events[seen:]:
                given: dict[str, Any] = event.get("params", {})
                if event.get("method") == method and params.items() <= given.items():
                    return given
            seen = len(self.events)
            self.events += self._read(until)

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; RuntimeError where it throws."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def key(self, name: str, code: int, text: str = "") -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=name,
                code=name,
                text=text,
                windowsVirtualKeyCode=code,
            )

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """What the window shows, or the whole page, as a PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole, format="png")
        path.write_bytes(base64.b64decode(found["data"]))

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last `open`, data in the page left out."""
        sent = (e["params"] for e in self.events if e.get("method") == "Network.requestWillBeSent")
        return [p["request"]["url"] for p in sent if not p["request"]["url"].startswith("data:")]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console since the last `open`, and exceptions."""
        kinds = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [json.dumps(e["params"])[:400] for e in self.events if e.get("method") in kinds]

    def _read(self, until: float) -> list[dict[str, Any]]:
        left = until - time.monotonic()
        if left <= 0 or not select.select([self._from], [], [], left)[0]:
            raise TimeoutError("the browser did not answer")
        found = os.read(self._from, 1 << 20)
        if not found:
            raise OSError("the browser has ended")
        *whole, self._rest = (self._rest + found).split(b"\0")
        return [json.loads(part) for part in whole]
