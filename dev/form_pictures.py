"""Pictures of the connection form and of its Test button: ``python -m dev.form_pictures [--out docs/images]``.

Of the Airflow that it runs with: 3.3, whose button is in the list of connections, or 2.11, whose is in the form.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_criteo.sandbox import Sandbox
from dev.airflow_stack import AirflowStack, airflow_version
from dev.form_checksum import form_checksum

try:
    from playwright.sync_api import Locator, Page, ViewportSize, sync_playwright
except ImportError:
    sys.exit(
        "Playwright is missing: pip install playwright, and a Chromium by playwright install chromium or of the system."
    )

CONN_ID = "criteo_default"
CLIENT_ID = "my-client-id"
SECRET = "my+client/secret="
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def web_ui(home: Path) -> AirflowStack:
    """An Airflow of nothing but its web UI, in which everybody is an administrator."""
    executor = "LocalExecutor" if airflow_version() >= (3,) else "SequentialExecutor"
    (home / "webserver_config.py").write_text("AUTH_ROLE_PUBLIC = 'Admin'\n")
    airflow = AirflowStack(home, home / "dags", executor=executor, database="sqlite", ui=True)
    for name in set(airflow.components) - {"api-server", "webserver"}:
        del airflow.components[name]
    return airflow


class Form3:
    """The connection form of Airflow 3."""

    size = ViewportSize(width=1280, height=1240)

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self) -> None:
        """A new connection, of type Criteo."""
        self.page.goto(f"{self.url}/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        self.page.locator("input[name=connection_id]").fill(CONN_ID)
        self.page.get_by_role("combobox").first.click()
        self.page.keyboard.type("Criteo")
        self.page.keyboard.press("Enter")
        self.page.get_by_text("Client secret").wait_for()

    def fill(self, **fields: str) -> None:
        """Type into standard fields."""
        for name, value in fields.items():
            self.page.locator(f"input[name={name}]").fill(value)

    def picture(self) -> Locator:
        """What a picture of the form shows."""
        return self.page.get_by_role("dialog")

    def show_extra_fields(self) -> None:
        """Unfold them; the standard fields fold."""
        self.page.get_by_role("button", name="Extra Fields", exact=True).click()

    def test(self) -> Page:
        """Save, press Test, and what a picture of the answer shows."""
        self.page.get_by_role("button", name="Save").click()
        self.page.get_by_role("dialog").wait_for(state="detached")
        # Ends the toast that tells of the saving.
        self.page.reload()
        self.page.get_by_role("button", name="Test Connection").click(force=True)
        # The tooltip would cover the row.
        self.page.mouse.move(1, 1)
        self.page.locator("[data-scope=toast][data-part=root]").wait_for()
        return self.page


class Form2:
    """The connection form of Airflow 2."""

    size = ViewportSize(width=1280, height=1760)

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self) -> None:
        """A new connection, of type Criteo."""
        self.page.goto(f"{self.url}/connection/add")
        self.page.locator("#conn_id").fill(CONN_ID)
        self.page.locator("#conn_type").select_option("criteo", force=True)

    def fill(self, **fields: str) -> None:
        """Type into standard fields."""
        for name, value in fields.items():
            self.page.locator(f"#{name}").fill(value)

    def picture(self) -> Page:
        """What a picture of the form shows."""
        return self.page

    def test(self) -> Page:
        """Press Test, and what a picture of the answer shows."""
        self.page.locator("#test-connection").click()
        self.page.locator(".alert-success, .alert-error").wait_for()
        self.page.evaluate("window.scrollTo(0, 0)")
        return self.page


def take(page: Page, what: Locator | Page, file: Path) -> None:
    """Save a picture when all that moves has come to rest."""
    page.wait_for_timeout(1500)
    what.screenshot(path=file, animations="disabled")
    print(f"{file}: {file.stat().st_size // 1024} KB", flush=True)


def browser(playwright: Any) -> Any:
    """A Chromium: the machine's own, or else the one that Playwright installed."""
    own = next(filter(None, map(shutil.which, CHROMIUM)), None)
    return playwright.chromium.launch(executable_path=own, args=ARGUMENTS)


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="the folder of the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    version = importlib.metadata.version("apache-airflow")
    with (
        tempfile.TemporaryDirectory() as home,
        Sandbox(client_id=CLIENT_ID, client_secret=SECRET) as sandbox,
        web_ui(Path(home)) as airflow,
        sync_playwright() as playwright,
        browser(playwright) as chromium,
    ):
        address = urlsplit(sandbox.url)
        page = chromium.new_page()
        form = (Form3 if airflow.version >= (3,) else Form2)(page, airflow.url)
        page.set_viewport_size(form.size)
        form.open()
        form.fill(login=CLIENT_ID, password=SECRET, port="443")
        take(page, form.picture(), out / f"connection-form-{version}.png")
        if isinstance(form, Form3):
            form.show_extra_fields()
            take(page, form.picture(), out / f"connection-extra-fields-{version}.png")
        (out / f"connection-form-{version}.sha256").write_text(form_checksum())
        page.set_viewport_size(ViewportSize(width=1280, height=420))
        for secret, name in (("my-old-secret", "connection-test-wrong-secret"), (SECRET, "connection-test")):
            form.open()
            form.fill(login=CLIENT_ID, password=secret, host=str(address.hostname), port=str(address.port))
            take(page, form.test(), out / f"{name}-{version}.png")
            if airflow.version >= (3,):
                airflow.rest("DELETE", f"/connections/{CONN_ID}")


if __name__ == "__main__":
    main()
