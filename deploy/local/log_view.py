"""Logs of the child processes: one file per process, and the important lines on the console.

The services write JSON lines; on the console each becomes `07:39:15 dedoppler  [info] chunk searched  job_id=…`. Lines
that are not JSON, such as a traceback or the banner of a server, are shown unchanged.
"""

import json
import logging
import re
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog

LARGEST_FILE_BYTES = 50 * 2**20
NAME_WIDTH = 10
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
SHOWN_FROM = LEVELS["info"]
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
CYAN, RESET = "\x1b[36m", "\x1b[0m"


def parse(line: str) -> dict[str, Any] | None:
    """Return the fields of a JSON line, or None for any other line."""
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and isinstance(fields.get("event"), str) else None


def local_time(timestamp: object) -> str:
    """Return a timestamp as local time, HH:MM:SS; the present time if it is not an ISO timestamp."""
    try:
        moment = datetime.fromisoformat(str(timestamp))
    except ValueError:
        moment = datetime.now().astimezone()
    return moment.astimezone().strftime("%H:%M:%S")


def printable(value: Any) -> Any:
    """Return the value without control characters, so that a log line can't control the terminal."""
    if isinstance(value, str):
        return CONTROL_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", value)
    return value if isinstance(value, int | float | None) else CONTROL_CHARACTERS.sub(" ", str(value))


class Renderer:
    """Formats lines of child processes for the console."""

    def __init__(self, *, colour: bool) -> None:
        self._colour = colour
        self._fields = structlog.dev.ConsoleRenderer(
            colors=colour,
            pad_event_to=0,
            pad_level=False,
            exception_formatter=structlog.dev.plain_traceback,
        )

    def render(self, name: str, line: str) -> str | None:
        """Return the formatted line, or None if its level is below INFO."""
        fields = parse(line)
        if fields is None:
            return f"{local_time(None)} {self._label(name)} {printable(line)}"
        level = str(fields.get("level", "info")).lower()
        if LEVELS.get(level, SHOWN_FROM) < SHOWN_FROM:
            return None
        time = local_time(fields.pop("timestamp", None))
        fields.pop("service", None)
        shown = {key: printable(value) for key, value in fields.items()} | {"level": level}
        text = self._fields(None, level, shown)
        return f"{time} {self._label(name)} {str(text).replace(chr(10), chr(10) + '    ')}"

    def _label(self, name: str) -> str:
        padded = f"{name:<{NAME_WIDTH}}"
        return f"{CYAN}{padded}{RESET}" if self._colour else padded


class LogView:
    """Writes the lines of all children to their files and to the console.

    Each run starts a new `NAME.log` and keeps the last one as `NAME.log.1`, as does a log that grows too large.
    """

    def __init__(self, folder: Path, console: TextIO | None = None) -> None:
        self.folder = folder
        self._console = console
        self._renderer = Renderer(colour=console is not None and console.isatty())
        self._files: dict[str, RotatingFileHandler] = {}

    def line(self, name: str, line: str, *, console: bool) -> None:
        """Log one line of a child; with `console`, show it on the console as well."""
        self._file(name).emit(logging.makeLogRecord({"msg": line}))
        if console and self._console is not None and line.strip():
            shown = self._renderer.render(name, line)
            if shown is not None:
                print(shown, file=self._console, flush=True)

    def say(self, level: str, event: str, **fields: Any) -> None:
        """Log a line of the supervisor itself."""
        timestamp = datetime.now().astimezone().isoformat()
        self.line(
            "waterhole", json.dumps({"level": level, "event": event, "timestamp": timestamp, **fields}), console=True
        )

    def tail(self, name: str, count: int = 5) -> str:
        """Return the last lines of a child's log, for an error message."""
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-count:]) if path.exists() else ""

    def close(self) -> None:
        """Close the files."""
        for handler in self._files.values():
            handler.close()
        self._files.clear()

    def _file(self, name: str) -> RotatingFileHandler:
        if name not in self._files:
            path = self.folder / f"{name}.log"
            self.folder.mkdir(mode=0o700, exist_ok=True)
            has_predecessor = path.exists()
            handler = RotatingFileHandler(path, maxBytes=LARGEST_FILE_BYTES, backupCount=1, encoding="utf-8")
            if has_predecessor:
                handler.doRollover()
            self._files[name] = handler
        return self._files[name]
