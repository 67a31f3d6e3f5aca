"""What the tables of a cadence state about its scans and its rule: the same facts in every format."""

from services.export.provenance import SOFTWARE, Fact, Provenance, fact, utc_date
from shared.cadence_document import CadenceDocument, ScanRecord


def _of_scan(scan: ScanRecord) -> tuple[Fact, ...]:
    number = scan["index"] + 1
    name, of = f"scan_{number}", f"scan {number}"
    return (
        *fact(f"ROLE{number}", f"{name}_role", scan["role"], "", "meta.code", f"role of {of}"),
        *fact(f"FILE{number}", f"{name}_file", scan["file_name"], "", "meta.id;meta.file", f"file of {of}"),
        *fact(f"JOB{number}", f"{name}_job", scan["job_id"], "", "meta.id", f"job of {of}"),
        *fact(f"MJD{number}", f"{name}_mjd", scan["tstart_mjd"], "d", "time.start;obs", f"start of {of}"),
    )


def cadence_provenance(document: CadenceDocument) -> Provenance:
    """Return the facts about a cadence, without any that differ when it is done again."""
    rule, summary, date = document.parameters, document.summary, utc_date(document.epoch_mjd)
    roles = [scan["role"] for scan in document.scans]
    needed = rule.min_on_scans or roles.count("on")
    facts = (
        *fact("CREATOR", "software", SOFTWARE, "", "meta.id;meta.software", "software that made this"),
        *fact("CADENCE", "name", document.name, "", "meta.id", "name of the cadence"),
        *fact("OBJECT", "source_name", document.source_name, "", "meta.id;src", "source of the ON scans"),
        *fact("TIMESYS", "time_system", "UTC", "", "time.epoch", "time scale"),
        *fact("DATE-OBS", "date_obs", date, "", "time.start;obs", "start of the first scan: the epoch"),
        *fact("MJD-OBS", "epoch_mjd", document.epoch_mjd if date else None, "d", "time.start;obs", "the epoch"),
        *fact("NSCANS", "scans", len(roles), "", "meta.number", "scans"),
        *fact("NON", "on_scans", roles.count("on"), "", "meta.number", "ON scans"),
        *fact("NOFF", "off_scans", roles.count("off"), "", "meta.number", "OFF scans"),
        *fact("MINON", "min_on_scans", needed, "", "meta.number", "ON scans that must hold an event"),
        *fact("OFFSNR", "off_snr", rule.off_snr, "", "stat.snr;stat.min", "SNR in an OFF scan that rules out"),
        *fact("SNRMIN", "snr_threshold", rule.snr_threshold, "", "stat.snr;stat.min", "threshold of ON hits"),
        *fact("MAXDCHG", "max_drift_change_hz_s2", rule.max_drift_change_hz_s2, "Hz/s2", "arith.rate", "bound"),
        *fact("NEVENT", "events", summary.events, "", "meta.number", "events: the rows"),
        *fact("NFAMILY", "families", summary.families, "", "meta.number", "emitters that they belong to"),
        *fact("NCAND", "candidates", summary.candidates, "", "meta.number", "events that nothing known explains"),
        *fact("NREJECT", "rejected", summary.rejected, "", "meta.number", "tracks that are no events"),
        *(entry for scan in document.scans for entry in _of_scan(scan)),
    )
    return Provenance(facts, tuple(document.warnings))
