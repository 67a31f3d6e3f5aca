"""File names, object keys, parts and ETags of uploads."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.api.upload_names import (
    FileNameError,
    clean_file_name,
    owns_upload_key,
    part_count,
    quoted_etag,
    shown_file_name,
    upload_key,
)

UPLOAD = uuid.UUID("a1b2c3d4-e5f6-7890-abcd-ef1234567890")


@pytest.mark.parametrize(
    ("given_name", "cleaned"),
    [
        ("observation.fil", "observation.fil"),
        ("Voyager1.single_coarse.fine_res.H5", "Voyager1.single_coarse.fine_res.H5"),
        ("../../etc/passwd.fil", "passwd.fil"),
        ("C:\\data\\scan 1.fil", "scan_1.fil"),
        ("a\x00b\nc\u202e.fil", "a_b_c_.fil"),
        ("\ud800x.h5", "_x.h5"),
        ("GJ1002?a=b&c#d%2e.fil", "GJ1002_a_b_c_d_2e.fil"),
        ("Étoile_né.fil", "Étoile_né.fil"),
    ],
)
def test_file_names_are_cleaned_for_keys(given_name: str, cleaned: str) -> None:
    assert clean_file_name(given_name) == cleaned


@pytest.mark.parametrize(
    ("given_name", "code"),
    [
        ("observation.txt", "unsupported_file_type"),
        ("observation.fil/", "unsupported_file_type"),
        ("observation.fil.exe", "unsupported_file_type"),
        ("fil", "unsupported_file_type"),
        (".fil", "invalid_filename"),
        ("...h5", "invalid_filename"),
        ("x" * 252 + ".fil", "invalid_filename"),
        ("é" * 126 + ".fil", "invalid_filename"),
    ],
)
def test_invalid_file_names_are_refused(given_name: str, code: str) -> None:
    with pytest.raises(FileNameError) as caught:
        clean_file_name(given_name)
    assert caught.value.code == code


@given(st.text(max_size=80))
def test_a_cleaned_name_is_one_path_segment_and_cleaning_it_again_changes_nothing(stem: str) -> None:
    try:
        cleaned = clean_file_name(stem + ".fil")
    except FileNameError:
        return
    assert "/" not in cleaned
    assert "\\" not in cleaned
    assert cleaned.isprintable()
    assert clean_file_name(cleaned) == cleaned
    assert owns_upload_key("user-1", upload_key("user-1", UPLOAD, cleaned))


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("my obs.FIL", "my obs.FIL"),
        ("C:\\data\\né?.fil", "né?.fil"),
        ("../../a\x00b\n.fil", "ab.fil"),
        ("\ud800x.h5", "x.h5"),
        ("a\u2028b\u2029.h5", "ab.h5"),
        ("x" * 300 + ".fil", "x" * 255),
    ],
)
def test_shown_names_lose_control_characters_only(given_name: str, shown: str) -> None:
    assert shown_file_name(given_name) == shown


@pytest.mark.parametrize(
    "key",
    [
        f"uploads/user-2/{UPLOAD}/x.fil",
        f"uploads/user-1/{UPLOAD}/../x.fil",
        f"uploads/user-1/{UPLOAD}/a/../../x.fil",
        f"uploads/user-1/../user-2/{UPLOAD}/x.fil",
        f"uploads/user-1/{UPLOAD}/x.txt",
        f"uploads/user-1/{str(UPLOAD).upper()}/x.fil",
        "uploads/user-1/../x.fil",
        f"/uploads/user-1/{UPLOAD}/x.fil",
        f"jobs/user-1/{UPLOAD}/x.fil",
        "",
    ],
)
def test_a_key_of_another_form_or_user_is_not_owned(key: str) -> None:
    assert not owns_upload_key("user-1", key)


@pytest.mark.parametrize(("size", "count"), [(1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_parts_cover_the_file(size: int, count: int) -> None:
    assert part_count(size, 10) == count


@pytest.mark.parametrize("etag", ["abc-1", '"abc-1"'])
def test_etags_are_quoted_once(etag: str) -> None:
    assert quoted_etag(etag) == '"abc-1"'
