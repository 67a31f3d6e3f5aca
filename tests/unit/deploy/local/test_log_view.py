"""Which of the children's log lines are shown, and which are stored."""

import io
import json
import re

import pytest

from deploy.local.log_view import LogView, Renderer, local_time, parse


def line(**fields) -> str:
    return json.dumps({"event": "chunk searched", "level": "info", "timestamp": "2026-03-01T12:00:00Z"} | fields)


def test_structured_line_becomes_one_readable_line():
    shown = Renderer(colour=False).render("dedoppler", line(service="dedoppler", job_id="a1", hits=3))
    expected = f"{local_time('2026-03-01T12:00:00Z')} dedoppler  [info] chunk searched hits=3 job_id=a1"
    assert shown.split() == expected.split()
    assert "\n" not in shown


@pytest.mark.parametrize(
    ("level", "is_shown"), [("debug", False), ("info", True), ("warning", True), ("error", True), ("odd", True)]
)
def test_levels_below_info_are_not_shown(level, is_shown):
    assert (Renderer(colour=False).render("ingest", line(level=level)) is not None) == is_shown


@pytest.mark.parametrize("raw", ["Traceback (most recent call last):", "{not json", '{"no": "event"}', "[1, 2]"])
def test_other_lines_are_unchanged(raw):
    assert parse(raw) is None
    shown = Renderer(colour=False).render("export", raw)
    assert re.fullmatch(r"\d\d:\d\d:\d\d export     " + re.escape(raw), shown)


def test_exceptions_are_shown_indented_below():
    shown = Renderer(colour=False).render("gateway", line(level="error", exception="Traceback:\n  boom"))
    first, *rest = shown.splitlines()
    assert "chunk searched" in first
    assert any("boom" in one for one in rest)
    assert all(one.startswith("    ") for one in rest if one)


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "a\rb", "\x07"])
def test_a_line_can_not_control_the_terminal(text):
    renderer = Renderer(colour=False)
    for shown in (
        renderer.render("gateway", f"raw {text}"),
        renderer.render("gateway", line(event=f"bad {text}", filename=text)),
        renderer.render("gateway", line(names=[text])),
    ):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)


def test_colour_is_used_only_on_request():
    assert "\x1b[" in Renderer(colour=True).render("gateway", line())
    assert "\x1b[" not in Renderer(colour=False).render("gateway", line())


def test_every_line_is_stored_and_lines_of_hidden_children_are_not_shown(tmp_path):
    console = io.StringIO()
    log = LogView(tmp_path / "logs", console)
    log.line("s3", "noise", console=False)
    log.line("gateway", line(level="debug"), console=True)
    log.line("gateway", "plain %s", console=True)
    log.close()
    assert (tmp_path / "logs" / "s3.log").read_text() == "noise\n"
    assert (tmp_path / "logs" / "gateway.log").read_text() == line(level="debug") + "\nplain %s\n"
    assert "plain %s" in console.getvalue()
    assert "noise" not in console.getvalue()
    assert "chunk searched" not in console.getvalue()


def test_each_run_starts_a_new_log_and_keeps_the_previous_one(tmp_path):
    for text in ("first", "second", "third"):
        log = LogView(tmp_path / "logs")
        log.line("gateway", text, console=True)
        log.close()
    kept = {path.name: path.read_text() for path in (tmp_path / "logs").iterdir()}
    assert kept == {"gateway.log": "third\n", "gateway.log.1": "second\n"}


def test_the_supervisors_own_lines_are_structured(tmp_path):
    console = io.StringIO()
    log = LogView(tmp_path / "logs", console)
    log.say("warning", "ingest exited", in_s=0.1)
    assert "ingest exited" in log.tail("waterhole")
    assert json.loads(log.tail("waterhole"))["level"] == "warning"
    assert re.search(r"waterhole +\[warning\] ingest exited +in_s=0.1", console.getvalue())
    log.close()
