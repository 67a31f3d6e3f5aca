"""Events of a cadence from hit lists alone: `python -m services.classify.cadence A.dat B.dat ...`.

Reads tables of turboSETI and of programs like it, and prints the table of events that a cadence of the service has.
Without the scans' samples nothing can be measured: a scan whose list does not have a signal is called silent.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from services.classify.cadence.closing import close
from services.classify.cadence.document import Origin
from services.classify.cadence.joining import join
from services.classify.cadence.roles import NamedScan, proposed_roles
from services.classify.cadence.scans import scan_of_table
from services.classify.cadence.turboseti_tables import BadTableError, HitTable, read_table
from shared.cadence import MAX_SCANS, CadenceParameters, Role
from shared.cadence_document import CadenceDocument, EventRecord
from shared.csv_table import to_csv
from shared.errors import PermanentError
from shared.event_columns import contents_of, event_cells
from shared.number_texts import number_columns
from shared.units import counted

DEFAULTS = CadenceParameters()
SHOWN_REJECTED = 10
# The option of each parameter.
OPTIONS = {"snr_threshold": "snr", "min_on_scans": "min_on", "max_drift_change_hz_s2": "max_drift_change"}


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m services.classify.cadence",
        description="Find the events of a cadence in hit tables (.dat) of turboSETI and programs like it.",
    )
    parser.add_argument("tables", type=Path, nargs="+", metavar="TABLE", help="hit tables, one per scan, in any order")
    parser.add_argument(
        "--roles",
        help="one letter per table, in their order: A for ON, any other for OFF, as in ABACAD (default: proposed from "
        "names and times)",
    )
    parser.add_argument("--snr", type=float, default=DEFAULTS.snr_threshold, help="lowest SNR (default: %(default)s)")
    parser.add_argument("--min-on", type=int, help="ON scans that must have an event (default: all)")
    parser.add_argument(
        "--max-drift-change",
        type=float,
        default=DEFAULTS.max_drift_change_hz_s2,
        help="fastest change of drift rate, Hz/s^2 (default: %(default)s)",
    )
    parser.add_argument("--flip-drift", action="store_true", help="tables of 2019 or before: turn the drift's sign")
    parser.add_argument("--csv", type=Path, help="write the table of events here")
    parser.add_argument("--json", type=Path, help="write everything that was found here, as events.json has it")
    return parser.parse_args(given)


def roles_of(letters: str | None, count: int) -> list[Role | None]:
    """Return the roles that the user stated, None for each if there are none.

    Raises
    ------
    PermanentError
        There are more or fewer letters than tables.
    """
    if letters is None:
        return [None] * count
    if len(letters) != count:
        raise PermanentError(f"--roles has {len(letters)} letters for {count} tables. Give one letter per table.")
    return ["on" if letter in "Aa" else "off" for letter in letters]


def parameters_of(options: argparse.Namespace) -> CadenceParameters:
    """Return the rule that the options state.

    Raises
    ------
    PermanentError
        A value is not allowed; the message names the option.
    """
    given = {name: getattr(options, option) for name, option in OPTIONS.items()}
    try:
        return CadenceParameters(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = OPTIONS[str(first["loc"][0])].replace("_", "-")
        raise PermanentError(f"The option --{option} is not valid: {first['msg']}.") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise PermanentError(f"{path.name} is no hit table: it is not text.") from error


def events_of(
    tables: Sequence[HitTable], roles: Sequence[Role | None], parameters: CadenceParameters
) -> CadenceDocument:
    """Return the events of a cadence from its hit tables.

    Raises
    ------
    PermanentError
        The tables are no cadence; the message names them.
    """
    if not 2 <= len(tables) <= MAX_SCANS:
        raise PermanentError(f"A cadence has 2 to {MAX_SCANS} scans, and these are {len(tables)} tables.")
    named = [
        NamedScan(table.tstart_mjd, table.source_name, table.file_name, role)
        for table, role in zip(tables, roles, strict=True)
    ]
    proposed, why = proposed_roles(named)
    scans = [scan_of_table(table, role) for table, role in zip(tables, proposed, strict=True)]
    return close(join(scans, parameters), None, Origin("", tables[0].source_name), (why,) if why else ())


def _line(event: EventRecord) -> str:
    scans = " ".join(
        f"{'ON' if scan['role'] == 'on' else 'OFF'} {'-' if scan['snr'] is None else format(scan['snr'], '.1f')}"
        for scan in event["scans"]
    )
    return (
        f"{event['id']:>5}  {event['frequency_hz'] / 1e6:14.6f} MHz  {event['drift_rate']:+9.4f} Hz/s  "
        f"family {event['family']:<4} {scans}"
    )


def report(document: CadenceDocument) -> list[str]:
    """Return what is printed: warnings, events, families, and why the strongest of the other tracks are no events."""
    summary = document.summary
    lines = [f"Warning: {warning}" for warning in document.warnings]
    lines.append(
        f"{counted(summary.events, 'event')} of {counted(summary.families, 'emitter')}; "
        f"{counted(summary.rejected, 'track')} {'is' if summary.rejected == 1 else 'are'} no event."
    )
    lines += [_line(event) for event in document.events]
    lines += [f"Family {family['id']}: {family['sentence']}" for family in document.families if family["events"]]
    for track in document.rejected[:SHOWN_REJECTED]:
        lines.append(f"No event: {track['frequency_hz'] / 1e6:.6f} MHz. {' '.join(track['reasons'])}")
    return lines


def main(given: Sequence[str] | None = None) -> None:
    """Entry point of the command."""
    options = arguments(given)
    try:
        parameters = parameters_of(options)
        tables = [read_table(_text(path), path.name, flip_drift=options.flip_drift) for path in options.tables]
        document = events_of(tables, roles_of(options.roles, len(tables)), parameters)
        if options.csv is not None:
            cells, contents = event_cells(document), contents_of(document)
            options.csv.write_bytes(to_csv(cells, contents, number_columns(cells, contents)))
        if options.json is not None:
            options.json.write_bytes(document.to_bytes())
    except (BadTableError, PermanentError, OSError) as error:
        sys.exit(str(error))
    try:
        print("\n".join(report(document)), flush=True)
    except BrokenPipeError:
        # Whoever reads has seen enough, such as `head`. Python would complain once more when it closes the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
