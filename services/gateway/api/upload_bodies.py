"""The two bodies of POST /upload-url: of a new upload, and of one that is continued."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from services.gateway.api.bodies import AbortUploadBody, PartNumbers, UploadUrlBody


class ResumeUploadBody(AbortUploadBody):
    """POST /upload-url, for a multipart upload that was begun before."""

    part_numbers: PartNumbers | None = Field(
        default=None, description="Which of the missing parts get URLs; all of them by default."
    )


UrlBody = UploadUrlBody | ResumeUploadBody


def kind_of(content: Mapping[str, Any]) -> type[UploadUrlBody] | type[ResumeUploadBody]:
    """Return which of the two a body is meant to be."""
    return ResumeUploadBody if content.keys() & {"file_key", "upload_id"} else UploadUrlBody
