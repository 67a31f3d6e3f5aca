"""What each route of verdicts takes and answers."""

from services.gateway.api import verdict_answers, verdict_bodies
from services.gateway.api.document.cadence_operations import CADENCE_ID, OWN_CADENCE
from services.gateway.api.document.operation import (
    JOB_ID,
    NEXT_HEADERS,
    OWN_JOB,
    Operation,
    Parameter,
    ok,
    page_parameters,
)

HIT = Parameter("hit", "path", {"type": "string", "pattern": "^[0-9]{1,9}$"}, "The hit's `id` in the catalogue.", "17")
EVENT = Parameter(
    "event", "path", {"type": "string", "pattern": "^[0-9]{1,9}$"}, "The event's `id` in the table of events.", "1"
)
OF_HIT = {403: OWN_JOB[403], 404: (*OWN_JOB[404], "hit_not_found")}
OF_EVENT = {403: OWN_CADENCE[403], 404: (*OWN_CADENCE[404], "event_not_found")}
FULL = {409: ("too_many_verdicts",)}
BODY_EXAMPLE = {"verdict": "rfi", "note": "Same drift in beam 4."}

VERDICT_OPERATIONS = (
    Operation(
        "get",
        "/verdicts",
        "Verdicts",
        "List your verdicts, those changed last first",
        (ok("A page of your verdicts.", verdict_answers.ListedVerdicts, headers=NEXT_HEADERS),),
        parameters=tuple(one for one in page_parameters("verdicts", "them") if one.name in ("limit", "cursor")),
        errors={400: ("invalid_limit", "invalid_cursor")},
    ),
    Operation(
        "get",
        "/jobs/{job_id}/verdicts",
        "Verdicts",
        "Get your verdicts on the hits of a job",
        (ok("All of them, by hit.", verdict_answers.HitVerdicts),),
        parameters=(JOB_ID,),
        errors=OWN_JOB,
    ),
    Operation(
        "put",
        "/jobs/{job_id}/verdicts/{hit}",
        "Verdicts",
        "Give a verdict on a hit",
        (ok("The verdict.", verdict_answers.HitVerdict),),
        description="It takes the place of an earlier one. Verdicts are deleted with the job. Catalogues with "
        "verdicts: see GET /jobs/{job_id}/download.",
        body=verdict_bodies.VerdictBody,
        body_example=BODY_EXAMPLE,
        parameters=(JOB_ID, HIT),
        errors={**OF_HIT, **FULL},
    ),
    Operation(
        "delete",
        "/jobs/{job_id}/verdicts/{hit}",
        "Verdicts",
        "Take the verdict on a hit back",
        (ok("The hit has no verdict any more.", verdict_answers.VerdictDeleted),),
        parameters=(JOB_ID, HIT),
        errors=OF_HIT,
    ),
    Operation(
        "get",
        "/cadences/{cadence_id}/verdicts",
        "Verdicts",
        "Get your verdicts on the events of a cadence",
        (ok("All of them, by event.", verdict_answers.EventVerdicts),),
        parameters=(CADENCE_ID,),
        errors=OWN_CADENCE,
    ),
    Operation(
        "put",
        "/cadences/{cadence_id}/verdicts/{event}",
        "Verdicts",
        "Give a verdict on an event of a cadence",
        (ok("The verdict.", verdict_answers.EventVerdict),),
        description="As for hits.",
        body=verdict_bodies.VerdictBody,
        body_example=BODY_EXAMPLE,
        parameters=(CADENCE_ID, EVENT),
        errors={**OF_EVENT, **FULL},
    ),
    Operation(
        "delete",
        "/cadences/{cadence_id}/verdicts/{event}",
        "Verdicts",
        "Take the verdict on an event back",
        (ok("The event has no verdict any more.", verdict_answers.VerdictDeleted),),
        parameters=(CADENCE_ID, EVENT),
        errors=OF_EVENT,
    ),
)
