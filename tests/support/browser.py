"""A real headless Chromium that shows a page from a file, and tells what it drew, logged and asked the network for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.eventually import PATIENCE_SECONDS, eventually

_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)
MISSING = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
"""What Debian's packages chromium and chromium-driver would give and is not here."""


class Browser:
    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def open(self, path: Path, *, dark: bool = False, phone: bool = False) -> None:
        """Show a file, and return once its charts are drawn; a phone has a screen of 390 x 844 that is touched."""
        self._emulate(dark=dark, phone=phone)
        self._told("browser")
        self._told("performance")
        self._driver.get(path.as_uri())
        wait = WebDriverWait(self._driver, PATIENCE_SECONDS)
        wait.until(lambda driver: driver.execute_script("return document.documentElement.dataset.drawn === 'yes'"))

    def run(self, script: str) -> Any:
        """Run JavaScript in the page, where $ finds an element by its id, and let the page finish; what it returns."""
        return self._driver.execute_async_script(
            "const [done] = arguments; const $ = (id) => document.getElementById(id);"
            f"const act = () => {{ {script} }};"
            "Promise.resolve(act()).then((value) => setTimeout(() => done(value), 50));",
        )

    def download(self, selector: str, folder: Path) -> Path:
        """Click what the selector finds first; the file that this saves in an empty folder, once it is whole."""
        behavior = {"behavior": "allow", "downloadPath": str(folder)}
        self._driver.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)
        self.click(selector)
        eventually(lambda: [path for path in folder.iterdir() if path.suffix == ".csv"])
        [path] = folder.iterdir()
        return path

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({selector!r}).click()")

    def traces(self, chart: str) -> list[dict[str, Any]]:
        """The traces of a chart, by its element's id: name and type, and how many points."""
        traces: list[dict[str, Any]] = self.run(
            f"return $('{chart}')._fullData.map((t) => ({{name: t.name, type: t.type, points: t.x.length}}))"
        )
        return traces

    def messages(self) -> list[str]:
        """What the page logged since it was opened: errors, warnings, refusals of its content policy."""
        return [str(entry["message"]) for entry in self._told("browser")]

    def requests(self) -> list[str]:
        """Every address that the page asked for since it was opened."""
        events = [json.loads(entry["message"])["message"] for entry in self._told("performance")]
        return [
            str(event["params"]["request"]["url"]) for event in events if event["method"] == "Network.requestWillBeSent"
        ]

    def _emulate(self, *, dark: bool, phone: bool) -> None:
        command = self._driver.execute_cdp_cmd
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        command("Emulation.setEmulatedMedia", {"features": [scheme]})
        command("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        if phone:
            screen = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
            command("Emulation.setDeviceMetricsOverride", screen)
        else:
            command("Emulation.clearDeviceMetricsOverride", {})

    def _told(self, kind: str) -> list[dict[str, Any]]:
        log: list[dict[str, Any]] = self._driver.get_log(kind)  # type: ignore[no-untyped-call]
        return log


@contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    """Start Debian's Chromium with a profile of its own in that folder, and end it."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (*_QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(executable_path=str(shutil.which("chromedriver"))))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
