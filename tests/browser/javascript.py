"""Call the functions of the dashboard's modules from Python, in a page of their own."""

from typing import Any

from playwright.async_api import Page

_CALL = "async ([path, name, args]) => (await import(path))[name](...args)"


class Javascript:
    """Modules below `services/gateway/dashboard`, named by their path there, such as `format.js`."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def call(self, module: str, name: str, *args: Any) -> Any:
        """Call an exported function with values that JSON can hold, and return its result.

        A typed array comes back as an object with its values by index: let `run` make a plain array of it.
        """
        return await self._page.evaluate(_CALL, [f"/app/{module}", name, list(args)])

    async def run(self, module: str, code: str, *args: Any) -> Any:
        """Run a function on a module and `args`, such as `(m, x) => Array.from(m.codes(x))`. Return its result."""
        script = f"async ([path, args]) => ({code})(await import(path), ...args)"
        return await self._page.evaluate(script, [f"/app/{module}", list(args)])
