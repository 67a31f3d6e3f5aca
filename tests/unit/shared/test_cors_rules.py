"""The CORS rules of a bucket."""

from shared.cors_rules import PageRule, with_rule

RULE = PageRule(("https://a.example",), ("PUT",), ("ETag",))
OTHER = {"ID": "theirs", "AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}
NAMELESS = {"AllowedOrigins": ["https://b.example"], "AllowedMethods": ["GET"]}


def test_our_rule_comes_first_and_those_of_others_stay() -> None:
    assert with_rule([], RULE) == [RULE.to_s3()]
    assert with_rule([OTHER, NAMELESS], RULE) == [RULE.to_s3(), OTHER, NAMELESS]


def test_our_earlier_rule_is_replaced_and_repeating_changes_nothing() -> None:
    earlier = PageRule(("*",), ("PUT",), ("ETag",))
    rules = with_rule([OTHER], earlier)
    assert with_rule(rules, RULE) == [RULE.to_s3(), OTHER]
    assert with_rule(with_rule(rules, RULE), RULE) == with_rule(rules, RULE)
