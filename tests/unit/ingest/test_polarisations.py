"""Which IFs are searched, by the header, the user's choice and what the user says the IFs are."""

import pytest

from science.simulator import make_header
from services.ingest.polarisations import choose_ifs
from shared.errors import BadObservationError
from shared.events import SearchParameters


def chosen(n_ifs, ifs, pol_type=None):
    header = make_header(1024, n_ifs=n_ifs)
    return choose_ifs(header, SearchParameters(ifs=ifs, pol_type=pol_type), "a.fil")


@pytest.mark.parametrize(
    ("n_ifs", "ifs", "pol_type", "searches", "told"),
    [
        (1, "first", None, ((0,),), ""),
        (1, "all", None, ((0,),), ""),
        (1, "stokes_i", None, ((0,),), ""),
        (2, "first", None, ((0,),), "2 IFs (polarisations); only the first was searched"),
        (4, "first", "IQUV", ((0,),), "4 IFs (polarisations); only the first was searched"),
        (2, "all", None, ((0,), (1,)), "IFs 0 and 1 of the file were searched, each by itself."),
        (2, "stokes_i", None, ((0, 1),), "The sum of the file's IFs 0 and 1 (Stokes I) was searched."),
        (4, "all", "AABBCRCI", ((0,), (1,)), "each by itself. The others are no powers."),
        (4, "stokes_i", "AABBCRCI", ((0, 1),), "(Stokes I) was searched. The others are no powers."),
        (4, "all", "IQUV", ((0,),), "Of the 4 IFs the first, Stokes I, was searched."),
        (4, "stokes_i", "IQUV", ((0,),), "Of the 4 IFs the first, Stokes I, was searched."),
    ],
)
def test_the_ifs_of_each_search(n_ifs, ifs, pol_type, searches, told):
    choice = chosen(n_ifs, ifs, pol_type)
    assert choice.searches == searches
    assert told in choice.warning
    assert bool(told) == bool(choice.warning)


@pytest.mark.parametrize(
    ("n_ifs", "ifs", "pol_type", "told"),
    [
        (4, "all", None, "Give pol_type 'AABBCRCI' or 'IQUV'"),
        (4, "stokes_i", None, "it holds 4 IFs (nifs)"),
        (3, "all", None, "it holds 3 IFs (nifs)"),
        (2, "all", "IQUV", "pol_type 'IQUV', which has 4 IFs: it holds 2 (nifs)"),
        (4, "stokes_i", "AABB", "pol_type 'AABB', which has 2 IFs: it holds 4 (nifs)"),
    ],
)
def test_ifs_that_are_not_known_are_refused_with_a_sentence(n_ifs, ifs, pol_type, told):
    with pytest.raises(BadObservationError) as caught:
        chosen(n_ifs, ifs, pol_type)
    assert caught.value.message.startswith("The file 'a.fil' can't be searched")
    assert told in caught.value.message
