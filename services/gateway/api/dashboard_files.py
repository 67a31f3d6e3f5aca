"""The dashboard's files and their headers: read from the installed package once, and kept as they are sent.

Scripts and styles are sent without their comments, which are a quarter of their bytes, and with the same line numbers.

Browsers load what the page names from this server alone, run no inline script and no inline style, and send requests
to this server and to the object store only, where presigned URLs point to.
"""

import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

from services.gateway.settings import Settings

PACKAGE = "services.gateway.dashboard"
INDEX = "index.html"
# Only files of these types are served; a browser runs no file as something that its type does not say.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
# Every start of a page asks for changes, and gets 304 and no body where there are none.
FILE_CACHE = "no-cache"
PAGE_CACHE = "no-store"


@dataclass(frozen=True)
class DashboardFile:
    """One file: its bytes, the same bytes in gzip, its type, and the mark of its content."""

    content: bytes
    compressed: bytes
    content_type: str
    etag: str


def read_files() -> dict[str, DashboardFile]:
    """Return the files of the package by their path in it, such as `pages/jobs.js`."""
    return {name: _read(name, found) for name, found in _walk(files(PACKAGE), "")}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        name = prefix + entry.name
        if entry.is_dir():
            yield from _walk(entry, f"{name}/")
        elif _suffix(name) in CONTENT_TYPES:
            yield name, entry


def _suffix(name: str) -> str:
    _, dot, suffix = name.rpartition(".")
    return dot + suffix


def without_comments(text: str) -> str:
    """Return a script or style without the comments that have lines of their own; these lines stay, empty."""
    kept, in_block = [], False
    for line in text.split("\n"):
        start = line.strip()
        is_block = in_block or start.startswith("/*")
        in_block = is_block and not start.endswith("*/")
        kept.append("" if is_block or start.startswith("//") else line)
    return "\n".join(kept)


def _read(name: str, entry: Traversable) -> DashboardFile:
    content = entry.read_bytes()
    # Vendored files are sent as they are listed.
    if name.endswith((".js", ".css")) and not name.startswith("vendor/"):
        content = without_comments(content.decode()).encode()
    # Without the time of compression, so that all gateways send the same bytes.
    compressed = gzip.compress(content, compresslevel=9, mtime=0)
    return DashboardFile(content, compressed, CONTENT_TYPES[_suffix(name)], hashlib.sha256(content).hexdigest()[:20])


def store_sources(settings: Settings) -> tuple[str, ...]:
    """Return the origins that presigned URLs point to."""
    endpoint = settings.s3_public_endpoint or settings.s3_endpoint
    if endpoint is None:
        return (f"https://*.s3.{settings.s3_region}.amazonaws.com", "https://*.s3.amazonaws.com")
    parts = urlsplit(endpoint)
    return (f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",)


def page_headers(sources: tuple[str, ...]) -> dict[str, str]:
    """Return the headers of the page. Its scripts may connect to this server and to `sources`."""
    policy = [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        " ".join(["connect-src 'self'", *sources]),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
