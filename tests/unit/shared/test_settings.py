"""Settings are read from the environment, and secrets are not shown."""

import pytest
from pydantic import Field, ValidationError, model_validator

from shared.settings import ServiceSettings, SettingsError, read_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    """Remove all settings of the machine that runs the tests."""
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv(f"WATERHOLE_{name.upper()}", raising=False)


def test_the_environment_overrides_the_default(monkeypatch):
    assert ServiceSettings().kafka_bootstrap == "127.0.0.1:9092"
    monkeypatch.setenv("WATERHOLE_KAFKA_BOOTSTRAP", "kafka-0:9092,kafka-1:9092")
    monkeypatch.setenv("WATERHOLE_PORT", "9001")
    settings = ServiceSettings()
    assert (settings.kafka_bootstrap, settings.port) == ("kafka-0:9092,kafka-1:9092", 9001)


def test_only_names_with_the_prefix_count(monkeypatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP", "elsewhere:9092")
    monkeypatch.setenv("PORT", "1")
    assert ServiceSettings() == ServiceSettings(kafka_bootstrap="127.0.0.1:9092", port=8080)


def test_settings_of_other_services_in_the_same_environment_are_ignored(monkeypatch):
    monkeypatch.setenv("WATERHOLE_MONGODB_URL", "mongodb://elsewhere")
    assert ServiceSettings() == ServiceSettings()


def test_secrets_do_not_show(monkeypatch):
    monkeypatch.setenv("WATERHOLE_S3_ACCESS_KEY", "visible-to-nobody")
    monkeypatch.setenv("WATERHOLE_S3_SECRET_KEY", "hidden-from-all")
    settings = ServiceSettings()
    assert settings.s3_secret_key.get_secret_value() == "hidden-from-all"
    for shown in (repr(settings), str(settings), settings.model_dump_json(), f"{settings.model_dump()}"):
        assert "visible-to-nobody" not in shown
        assert "hidden-from-all" not in shown


def test_services_listen_only_on_this_machine_by_default():
    assert ServiceSettings().host == "127.0.0.1"


def test_settings_can_not_be_changed():
    with pytest.raises(ValidationError):
        ServiceSettings().port = 1


def test_log_levels_are_case_insensitive(monkeypatch):
    monkeypatch.setenv("WATERHOLE_LOG_LEVEL", "warning")
    assert ServiceSettings().log_level == "WARNING"


@pytest.mark.parametrize(
    ("name", "value"), [("LOG_LEVEL", "LOUD"), ("PORT", "eighty"), ("KAFKA_SESSION_TIMEOUT_MS", "")]
)
def test_an_invalid_value_is_reported_with_its_name(monkeypatch, name, value):
    monkeypatch.setenv(f"WATERHOLE_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        ServiceSettings()


def test_every_setting_is_described():
    assert [name for name, field in ServiceSettings.model_fields.items() if not field.description] == []


class MoreSettings(ServiceSettings):
    """A service's own settings."""

    pepper: str = Field(min_length=16, description="Secret that keys are hashed with.")
    tiers: dict[str, int] = Field(default={}, description="Limits by tier.")
    least: int = Field(default=1, description="Least number.")
    most: int = Field(default=2, description="Largest number.")

    @model_validator(mode="after")
    def _least_is_below_most(self):
        if self.least > self.most:
            raise ValueError("least must be below most")
        return self


def test_valid_settings_are_read(monkeypatch):
    monkeypatch.setenv("WATERHOLE_PEPPER", "a pepper of some length")
    assert read_settings(MoreSettings).pepper == "a pepper of some length"


@pytest.mark.parametrize(
    ("variables", "problems"),
    [
        ({}, "WATERHOLE_PEPPER: missing (Secret that keys are hashed with)"),
        (
            {"PORT": "80x"},
            "WATERHOLE_PORT: Input should be a valid integer, unable to parse string as an integer (Port that the HTTP "
            "server listens on); WATERHOLE_PEPPER: missing (Secret that keys are hashed with)",
        ),
        (
            {"PEPPER": "short"},
            "WATERHOLE_PEPPER: String should have at least 16 characters (Secret that keys are hashed with)",
        ),
        ({"PEPPER": "s" * 16, "TIERS": '{"free": '}, "WATERHOLE_TIERS: not valid JSON (Limits by tier)"),
        (
            {"PEPPER": "s" * 16, "TIERS": '{"free": "many"}'},
            "WATERHOLE_TIERS: free: Input should be a valid integer, unable to parse string as an integer (Limits by "
            "tier)",
        ),
        ({"PEPPER": "s" * 16, "LEAST": "3"}, "least must be below most"),
    ],
)
def test_one_sentence_names_every_variable_that_is_missing_or_not_valid(monkeypatch, variables, problems):
    for name, value in variables.items():
        monkeypatch.setenv(f"WATERHOLE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings(MoreSettings)
    assert str(caught.value) == f"These environment variables are missing or not valid: {problems}."
