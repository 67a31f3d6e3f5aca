"""What the routes of example observations take and answer."""

from services.gateway.api import example_answers
from services.gateway.api.document.operation import Operation, Parameter, ok
from services.gateway.jobs.stored_upload import UploadLimit

EXAMPLE_OPERATIONS = (
    Operation(
        "get",
        "/examples",
        "Uploads",
        "List observations to try the service with",
        (ok("The observations; none where the service has none.", example_answers.Examples),),
    ),
    Operation(
        "post",
        "/examples/{name}",
        "Uploads",
        "Copy an example observation to an upload of yours",
        (ok("The copy, for POST /analyze.", example_answers.ExampleCopied, status=201),),
        description="The copy counts as an upload.",
        parameters=(Parameter("name", "path", {"type": "string", "minLength": 1}, "Name of an example.", "voyager_1"),),
        errors={404: ("example_not_found",), 413: ("file_too_large",), 429: tuple(UploadLimit)},
    ),
)
