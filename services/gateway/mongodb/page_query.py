"""The queries for a page of a user's list, and for how many entries the whole list has."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.gateway.jobs.paging import Page

# ASCII punctuation but for the underscore: what has a meaning in some server's regular expressions.
_SPECIAL = re.compile(r"[!-/:-@\[-^`{-~]")


def page_conditions(base: Mapping[str, Any], page: Page, text_fields: Sequence[str]) -> dict[str, Any]:
    """Return the query for the entries of `base` that a page may show.

    Parameters:
        base: The query for the whole list.
        page: The page.
        text_fields: The fields of which one must contain the page's text, in upper or lower case.
    """
    conditions: list[dict[str, Any]] = []
    if page.text:
        pattern = {"$regex": _SPECIAL.sub(r"\\\g<0>", page.text), "$options": "i"}
        conditions.append({"$or": [{name: pattern} for name in text_fields]})
    if page.after is not None:
        at = page.after.submitted_ms
        conditions.append(
            {"$or": [{"submitted_ms": {"$lt": at}}, {"submitted_ms": at, "_id": {"$lt": page.after.job_id}}]}
        )
    more = {"$and": conditions} if conditions else {}
    return {**base, **({"status": page.status} if page.status else {}), **more}


def list_conditions(base: Mapping[str, Any], page: Page, text_fields: Sequence[str]) -> dict[str, Any]:
    """Return the query for the entries of `base` that all pages together show; see `page_conditions`."""
    return page_conditions(base, replace(page, after=None), text_fields)
