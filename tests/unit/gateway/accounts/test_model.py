"""API keys, their slots, and the users that tokens identify."""

from services.gateway.accounts.model import (
    ApiKey,
    KeySlot,
    format_api_key,
    hash_api_key,
    is_api_key,
    token_user_id,
)

ISSUER = "https://issuer.example"


def test_an_api_key_holds_256_bits_and_is_hashed_under_the_pepper() -> None:
    api_key = format_api_key(bytes(range(32)))
    assert api_key == "sk_live_" + bytes(range(32)).hex()
    assert is_api_key(api_key)
    assert not is_api_key(api_key + "0")
    assert not is_api_key(api_key.upper())
    assert hash_api_key(api_key, "pepper") != hash_api_key(api_key, "other pepper")
    assert hash_api_key(api_key, "pepper") == hash_api_key(api_key, "pepper")
    assert len(hash_api_key(api_key, "pepper")) == 64


def test_a_key_expires_at_its_expiry_time() -> None:
    key = ApiKey("3f8a1b2c", "u", "n", "h", "sk_live_a1b2", created_at=100, expires_at=200)
    assert not key.is_expired(199.9)
    assert key.is_expired(200)


def test_a_slot_is_vacant_when_its_key_is_not_usable() -> None:
    stored = ApiKey("k1", "u1", "n", "h", "p", created_at=100, expires_at=1000)
    slot = KeySlot.of(stored)
    assert KeySlot.parse(str(slot)) == slot
    assert not slot.is_vacant(stored, 999)
    assert slot.is_vacant(stored, 1000)
    assert slot.is_vacant(ApiKey("k1", "u1", "n", "h", "p", 100, 1000, active=False), 200)
    # The key may not be stored yet, but only for a few minutes.
    assert not slot.is_vacant(None, 200)
    assert slot.is_vacant(None, 220)
    assert slot.is_vacant(ApiKey("k1", "u2", "n", "h", "p", 90, 1000), 220)


def test_each_pair_of_issuer_and_subject_has_its_own_user() -> None:
    pairs = [("https://a", "b"), ("https://a/", "b"), ("https://ab", ""), ("https://a", "B"), ("", "https://ab")]
    assert len({token_user_id(*pair) for pair in pairs}) == len(pairs)
    assert token_user_id(ISSUER, "alice") == token_user_id(ISSUER, "alice")
