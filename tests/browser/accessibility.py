"""Check pages against the rules of WCAG 2.2 AA that a program can check (axe)."""

from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
_OPTIONS = {"runOnly": {"type": "tag", "values": list(TAGS)}, "resultTypes": ["violations"]}


async def check_accessibility(page: Page) -> None:
    """Assert that the page, as it is now, breaks no rule; the message names each rule and the elements."""
    found = (await Axe().run(page, options=_OPTIONS)).response
    assert found["violations"] == [], "\n".join(_of_rule(one) for one in found["violations"])
    # A page that has not loaded breaks no rule either.
    assert await page.locator("h1").count() == 1


def _of_rule(violation: dict[str, Any]) -> str:
    nodes = "".join(f"\n  {node['html'][:200]}: {node['failureSummary']}" for node in violation["nodes"][:5])
    return f"{violation['id']}: {violation['help']}{nodes}"


async def overflowing(page: Page) -> list[str]:
    """Return what is wider than the window, so that one has to scroll in two directions (WCAG 1.4.10)."""
    script = """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
      [...document.querySelectorAll("body *")]
        .filter((one) => one.getBoundingClientRect().right > window.innerWidth + 1)
        .map((one) => one.outerHTML.slice(0, 120))"""
    found: list[str] = await page.evaluate(script)
    return found
