"""What the documents name exists: links, files, commands, settings, metrics, tiers and formats."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from deploy.local.servers import REPOSITORY
from services.classify.settings import Settings as ClassifySettings
from services.dedoppler.settings import Settings as DedopplerSettings
from services.export.settings import Settings as ExportSettings
from services.gateway.api.session_cookie import NAME as SESSION_COOKIE
from services.gateway.api.sign_in_attempts import COOKIE as SIGN_IN_COOKIE
from services.gateway.settings import DEFAULT_TIERS, Rate, RateLimitSettings
from services.gateway.settings import Settings as GatewaySettings
from services.ingest.settings import Settings as IngestSettings
from shared.formats import FORMATS

DOCUMENTS = sorted(path for pattern in ("*.md", "docs/*.md", "deploy/*.md") for path in REPOSITORY.glob(pattern))
SETTINGS = {
    f"WATERHOLE_{name.upper()}"
    for settings in (GatewaySettings, IngestSettings, DedopplerSettings, ClassifySettings, ExportSettings)
    for name in settings.model_fields
}
COOKIES = {SESSION_COOKIE, SIGN_IN_COOKIE}
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"(?:\]\(|<img src=\")([^)\s\"]+)[)\"]")
NAMED_FILE = re.compile(r"(?<![\w./{}-])(?:(?:services|shared|science|deploy|docs|tests|examples|\.ci)/[\w./*-]+)")
README_LINES = 100


def relative(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=relative)


def code_of(text: str) -> str:
    """The text in code blocks and code spans; a span is one line, even if the document breaks it."""
    spans = (" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text)))
    return "\n".join([*FENCE.findall(text), *spans])


def anchors_of(path: Path) -> set[str]:
    """Anchors of a document's headings, as repository hosts make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def sources_of(*folders: str) -> str:
    """The text of all Python files in some folders."""
    return "\n".join(path.read_text() for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))


def table_of(name: str, first_cell: str) -> list[list[str]]:
    """Rows, without the head, of the table in a document whose head begins with `first_cell`."""
    text = (REPOSITORY / name).read_text()
    table = re.search(rf"^\| {re.escape(first_cell)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table, f"{name} has no table that begins with {first_cell}"
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table[1].splitlines()]


def test_the_documents_are_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/index.md", "docs/api.md", "deploy/README.md"} <= set(
        map(relative, DOCUMENTS)
    )


def test_the_readme_is_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= README_LINES


def test_the_program_in_the_readme_is_python() -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```$", (REPOSITORY / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    ast.parse(program)


@each_document
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(FENCE.sub("", path.read_text())):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors_of(linked), target


@each_document
def test_files_exist(path: Path) -> None:
    for name in NAMED_FILE.findall(code_of(path.read_text())):
        assert list(REPOSITORY.glob(name.rstrip("./"))), name


@each_document
def test_make_has_the_targets(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code_of(path.read_text()))) <= targets


@each_document
def test_modules_that_are_run_exist(path: Path) -> None:
    for module in re.findall(r"python3? -m ([\w.]+)", code_of(path.read_text())):
        place = REPOSITORY / module.replace(".", "/")
        own = place.with_suffix(".py").exists() or (place / "__main__.py").exists()
        assert own or ("." not in module and importlib.util.find_spec(module)), module


@each_document
def test_settings_exist(path: Path) -> None:
    named = set(re.findall(r"\bWATERHOLE_[A-Z0-9_]*[A-Z0-9]\b", path.read_text()))
    of_tests = set(re.findall(r'"(WATERHOLE_[A-Z0-9_]+)"', sources_of("tests/fuzz") + sources_of("tests/browser")))
    assert named <= SETTINGS | of_tests


def test_every_setting_is_described_in_operations() -> None:
    rows = re.findall(r"^\| (`WATERHOLE_[^|]*)\|", (REPOSITORY / "docs/operations.md").read_text(), re.MULTILINE)
    described = [name for row in rows for name in SPAN.findall(row)]
    assert sorted(described) == sorted(SETTINGS)


def test_metrics_are_described_in_operations() -> None:
    defined = set(re.findall(r'"(waterhole_[a-z_]+)"', sources_of("services", "shared"))) - COOKIES
    assert {row[0] for row in table_of("docs/operations.md", "metric")} == defined
    for path in DOCUMENTS:
        assert set(re.findall(r"\bwaterhole_[a-z_]+", code_of(path.read_text()))) <= defined | COOKIES, path


def megabytes(text: str) -> int:
    """Return the MB that a text such as `1,500 MB` or `1 GB` says."""
    size, unit = text.split()
    return int(size.replace(",", "")) * {"MB": 1, "GB": 1024}[unit]


def test_the_tiers_are_the_default_ones() -> None:
    documented = {
        name: (
            int(jobs.replace(",", "")),
            megabytes(largest),
            int(kept.removesuffix(" days")),
            *map(int, (listed, at_once, open_uploads)),
            megabytes(stored),
            own_keys == "yes",
        )
        for name, jobs, largest, kept, listed, at_once, open_uploads, stored, own_keys in table_of(
            "docs/api.md", "tier"
        )
    }
    assert documented == {
        name: (
            tier.files_per_month,
            tier.max_file_mb,
            tier.retention_days,
            tier.history_jobs,
            tier.concurrent_jobs,
            tier.open_uploads,
            tier.max_stored_mb,
            tier.api_keys,
        )
        for name, tier in DEFAULT_TIERS.items()
    }


def test_the_rate_limits_are_the_default_ones() -> None:
    documented = {
        name: Rate(burst=burst, per_minute=per_minute)
        for name, _, burst, per_minute in table_of("docs/operations.md", "limit")
    }
    assert RateLimitSettings(**documented) == RateLimitSettings()
    assert set(documented) == set(RateLimitSettings.model_fields)


def test_the_formats_are_those_of_the_api() -> None:
    rows = table_of("docs/api.md", "format")
    assert [(name, filename) for name, filename, _ in rows] == [(one.name, one.filename) for one in FORMATS.values()]


def test_the_index_lists_every_document() -> None:
    index = REPOSITORY / "docs/index.md"
    linked = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text())}
    pointers = {index, REPOSITORY / "docs/contributing.md"}
    assert {path for path in DOCUMENTS if path not in pointers} <= linked
