"""The dashboard's files: small, of known origin, all in the package, and under a strict policy."""

import gzip
import hashlib
import json
import re
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from services.gateway.api.dashboard_files import (
    CONTENT_TYPES,
    INDEX,
    page_headers,
    read_files,
    store_sources,
    without_comments,
)
from services.gateway.settings import Settings

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "services/gateway/dashboard"
# Script and style together, as they are sent.
MOST_BYTES = 150_000
MOST_COLUMNS = 120
FILES = read_files()
OURS = {name: (FOLDER / name).read_text() for name in FILES if name.endswith((".js", ".css")) and "vendor/" not in name}
VENDORED = json.loads((FOLDER / "vendor/vendor.json").read_text())


def settings(**changes) -> Settings:
    return Settings(api_key_pepper="p" * 32, **changes)


def test_every_vendored_file_is_the_one_that_is_listed():
    listed = {one["file"]: one["sha256"] for one in VENDORED}
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((FOLDER / "vendor").glob("*.js"))
    }
    assert found == listed
    for one in VENDORED:
        assert one["version"]
        assert one["licence"]
        assert one["source"]
        for name in one["licence_files"]:
            assert (
                "Permission" in (FOLDER / "vendor" / name).read_text()
                or "License" in (FOLDER / "vendor" / name).read_text()
            )


def test_script_and_style_are_small():
    sizes = {name: len(one.compressed) for name, one in FILES.items() if name.endswith((".js", ".css"))}
    assert sum(sizes.values()) < MOST_BYTES, sizes
    assert len(sizes) > 30


def test_comments_are_not_sent_and_lines_keep_their_numbers():
    text = """// Why.
const link = "https://example.org"; // beside code
/**
 * @param {number} x
 */
export const f = (x) => html`<p>${x /* inside */}</p>`;
/* one line */
p { color: red; } /* beside */
"""
    assert without_comments(text).split("\n") == [
        "",
        'const link = "https://example.org"; // beside code',
        "",
        "",
        "",
        "export const f = (x) => html`<p>${x /* inside */}</p>`;",
        "",
        "p { color: red; } /* beside */",
        "",
    ]
    for name, text in OURS.items():
        sent = FILES[name].content.decode()
        assert sent.count("\n") == text.count("\n")
        assert len(sent) < len(text)
        # A comment that ends before code would take the code with it.
        assert [line for line in text.split("\n") if line.strip().startswith("/*") and line.count("*/") > 1] == [], name
        assert [line for line in text.split("\n") if "*/" in line and not line.strip().endswith("*/")] == [], name


def test_compressed_files_are_the_same_files():
    for one in FILES.values():
        assert gzip.decompress(one.compressed) == one.content
    assert read_files() == FILES


def test_every_file_is_in_the_wheel():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    packed = {
        path.relative_to(FOLDER).as_posix()
        for pattern in patterns["services.gateway.dashboard"]
        for path in FOLDER.glob(pattern)
    }
    there = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert {name for name in there if not name.endswith((".py", ".pyc"))} == packed
    # What is in the package is served, and nothing else is there.
    assert packed == set(FILES)
    assert {Path(name).suffix for name in packed} <= set(CONTENT_TYPES)
    assert files("services.gateway.dashboard").joinpath(INDEX).is_file()


def test_lines_are_short():
    long = [
        f"{name}:{number}"
        for name, text in OURS.items()
        if name.endswith(".js")
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > MOST_COLUMNS
    ]
    assert long == []


def test_names_are_in_snake_case():
    assert [name for name in OURS if not re.fullmatch(r"([a-z0-9_]+/)*[a-z0-9_]+\.(js|css)", name)] == []


def test_every_import_is_of_a_file_that_is_there():
    for name, text in OURS.items():
        for target in re.findall(r"""(?:from|import\()\s*"([^"]+)\"""", text):
            assert target.startswith("."), (name, target)
            path = (FOLDER / name).parent.joinpath(target).resolve().relative_to(FOLDER).as_posix()
            assert path in FILES, (name, target)


def test_every_exported_function_is_documented():
    undocumented = [
        f"{name}: {found[2]}"
        for name, text in OURS.items()
        for found in re.finditer(
            r"(^.*\n)export (?:const|class|async function|function) (\w+)( = (?:async )?\()?", text, re.M
        )
        if found[3] and not found[1].rstrip().endswith("*/")
    ]
    assert undocumented == []


def test_the_page_has_no_inline_script_or_style():
    page = FILES[INDEX].content.decode()
    assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>|<style|\son\w+=|\sstyle=", page) == []
    named = re.findall(r'(?:src|href)="(/app/[^"]+)"', page)
    assert len(named) >= 5
    assert {name.removeprefix("/app/") for name in named} <= set(FILES)
    assert "//" not in page.replace("<!DOCTYPE html>", "")


@pytest.mark.parametrize(
    ("changes", "sources"),
    [
        ({"s3_endpoint": "http://127.0.0.1:9000"}, ("http://127.0.0.1:9000",)),
        (
            {"s3_endpoint": "http://s3:9000", "s3_public_endpoint": "https://files.example.org/x"},
            ("https://files.example.org",),
        ),
        ({"s3_region": "eu-west-1"}, ("https://*.s3.eu-west-1.amazonaws.com", "https://*.s3.amazonaws.com")),
    ],
)
def test_the_page_may_connect_to_the_store_that_presigned_urls_name(changes, sources):
    assert store_sources(settings(**changes)) == sources


def test_the_policy_is_strict():
    policy = page_headers(("https://files.example.org",))["Content-Security-Policy"]
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == directives["base-uri"] == directives["frame-ancestors"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == directives["form-action"] == "'self'"
    assert directives["connect-src"] == "'self' https://files.example.org"
    assert "unsafe" not in policy
    assert "*" not in policy
