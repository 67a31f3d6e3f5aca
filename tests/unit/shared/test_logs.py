"""Logs are JSON, one object per line, whatever code writes them."""

import json
import logging

import pytest
import structlog
from pydantic import SecretStr

from shared.logs import configure_logs


@pytest.fixture
def log(capsys):
    """Configure logs as a service does, yield a function that reads them, and restore the configuration afterwards."""
    root = logging.getLogger()
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()
    read = []

    def configured(level="INFO"):
        configure_logs("dedoppler", level)

        def lines():
            read.extend(json.loads(line) for line in capsys.readouterr().err.splitlines())
            return read

        return lines

    yield configured
    structlog.contextvars.clear_contextvars()
    structlog.configure(**configuration)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_holds_the_event_its_fields_and_where_it_comes_from(log):
    lines = log()
    with structlog.contextvars.bound_contextvars(job_id="job-1", event_id="event-1"):
        structlog.get_logger().info("event handled", seconds=0.25, path="Größe.fil")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "event handled",
        "level": "info",
        "service": "dedoppler",
        "job_id": "job-1",
        "event_id": "event-1",
        "seconds": 0.25,
        "path": "Größe.fil",
    }


def test_lines_below_the_level_are_left_out(log):
    lines = log("WARNING")
    structlog.get_logger().info("small talk")
    structlog.get_logger().warning("worth reading")
    assert [line["event"] for line in lines()] == ["worth reading"]


def test_libraries_log_only_warnings_and_above(log):
    lines = log("DEBUG")
    with structlog.contextvars.bound_contextvars(job_id="job-1"):
        logging.getLogger("botocore").info("details")
        logging.getLogger("aiokafka").warning("node %d is away", 3)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "node 3 is away",
        "level": "warning",
        "logger": "aiokafka",
        "service": "dedoppler",
        "job_id": "job-1",
    }


def test_a_trace_stays_on_its_line(log):
    lines = log()
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("ours failed")
        logging.getLogger("library").exception("theirs failed")
    found = lines()
    assert [line["event"] for line in found] == ["ours failed", "theirs failed"]
    for line in found:
        assert line["level"] == "error"
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith("ZeroDivisionError: division by zero")


def test_line_breaks_in_user_input_do_not_create_lines(log):
    lines = log()
    structlog.get_logger().info("file accepted", name='a.fil\n{"event": "forged"}')
    assert [line["event"] for line in lines()] == ["file accepted"]


def test_secrets_do_not_show(log):
    lines = log()
    structlog.get_logger().info("settings", s3_secret_key=SecretStr("hidden-from-all"))
    (line,) = lines()
    assert "hidden-from-all" not in json.dumps(line)


def test_a_field_that_is_not_json_is_still_logged(log):
    lines = log()
    structlog.get_logger().info("odd", field=object(), raw=b"\xff")
    assert [line["event"] for line in lines()] == ["odd"]
