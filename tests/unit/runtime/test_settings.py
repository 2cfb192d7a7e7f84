"""Settings come from the environment, a file, and secret files; wrong ones are named."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from mosaicast.runtime import settings
from tools.reference.settings import description


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOSAICAST_ENV_FILE", "MOSAICAST_SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_fit_one_machine() -> None:
    loaded = settings.load()
    assert loaded.kafka.bootstrap == "127.0.0.1:9092"
    assert loaded.media_dir is None
    assert loaded.gallery_path == loaded.data_dir / "gallery"


def test_the_environment_reaches_nested_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICAST_KAFKA__BOOTSTRAP", "kafka:9092")
    monkeypatch.setenv("MOSAICAST_DETECTOR__WORKERS", "3")
    loaded = settings.load()
    assert loaded.kafka.bootstrap == "kafka:9092"
    assert loaded.detector.workers == 3


def test_a_file_is_read_and_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("MOSAICAST_KAFKA__BOOTSTRAP=file:1\nMOSAICAST_API__PORT=9000\n")
    monkeypatch.setenv("MOSAICAST_ENV_FILE", str(tmp_path / "env"))
    monkeypatch.setenv("MOSAICAST_API__PORT", "9001")
    loaded = settings.load()
    assert (loaded.kafka.bootstrap, loaded.api.port) == ("file:1", 9001)


def test_secret_files_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mosaicast_edge__token").write_text("hush")
    monkeypatch.setenv("MOSAICAST_SECRETS_DIR", str(tmp_path))
    assert settings.load().edge.token.get_secret_value() == "hush"


def test_secrets_do_not_print() -> None:
    assert "hush" not in repr(settings.load(edge=settings.EdgeSettings(token=SecretStr("hush"))))


@pytest.mark.parametrize(
    ("name", "value"), [("DETECTOR__WORKERS", "0"), ("METRICS_PORT", "70000"), ("LOG_LEVEL", "LOUD")]
)
def test_a_wrong_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"MOSAICAST_{name}", value)
    with pytest.raises(settings.WrongSettingsError, match=f"MOSAICAST_{name}: "):
        settings.load()


def test_two_networks_by_default_or_one_with_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().recognition.networks == ("mobilefacenet-512", "mobilefacenet-192")
    assert settings.load().recognition.floors == (None, None)
    monkeypatch.setenv("MOSAICAST_RECOGNITION__FIRST", "arcface")
    monkeypatch.setenv("MOSAICAST_RECOGNITION__FIRST_FLOOR", "0.45")
    monkeypatch.setenv("MOSAICAST_RECOGNITION__SECOND", "none")
    assert settings.load().recognition.networks == ("arcface",)
    assert settings.load().recognition.floors == (0.45,)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECOND", "mobilefacenet-512", "one opinion"),
        ("SECOND", "mobilefacenet_512", "one opinion"),
        ("FIRST_FLOOR", "0", "FIRST_FLOOR: Input should be greater"),
        ("SECOND_FLOOR", "1.5", "SECOND_FLOOR: "),
    ],
)
def test_networks_that_would_show_strangers_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"MOSAICAST_RECOGNITION__{name}", value)
    with pytest.raises(settings.WrongSettingsError, match=words):
        settings.load()


def test_a_networks_name_may_be_spelt_as_its_label_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOSAICAST_RECOGNITION__FIRST", "taguchi_resnet")
    assert settings.load().recognition.networks == ("taguchi-resnet", "mobilefacenet-192")


@pytest.mark.parametrize("value", ["{", "17"])
def test_a_wrong_value_is_never_repeated(
    monkeypatch: pytest.MonkeyPatch, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOSAICAST_API__ADMIN_TOKEN", "hush")
    monkeypatch.setenv("MOSAICAST_API__PORT", "hush too")
    monkeypatch.setenv("MOSAICAST_KAFKA", value)
    with pytest.raises(SystemExit) as ended:
        settings.load_or_exit(settings.ApiServiceSettings)
    assert "hush" not in str(ended.value)
    assert str(ended.value).startswith("mosaicast: ")


# --- TLS and passwords of Kafka -----------------------------------------------------------------------------

LOGIN = {"SASL_USERNAME": "u", "SASL_PASSWORD": "hush"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"SECURITY_PROTOCOL": "tls"}, "SECURITY_PROTOCOL: Input should be"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "sasl_ssl needs sasl_username and sasl_password"),
        ({"SECURITY_PROTOCOL": "sasl_ssl", "SASL_USERNAME": "u"}, "needs sasl_username and sasl_password"),
        ({"SECURITY_PROTOCOL": "sasl_ssl", "SASL_USERNAME": "u", "SASL_PASSWORD": ""}, "needs sasl_username"),
        ({"SECURITY_PROTOCOL": "sasl_ssl", "SASL_MECHANISM": "GSSAPI", **LOGIN}, "SASL_MECHANISM: Input should be"),
        (LOGIN, "security_protocol plaintext asks for no password"),
        ({"SECURITY_PROTOCOL": "ssl", **LOGIN}, "security_protocol ssl asks for no password"),
        ({"SECURITY_PROTOCOL": "sasl_plaintext", "SASL_MECHANISM": "PLAIN", **LOGIN}, "sends the password readable"),
        ({"SSL_CA_LOCATION": "FILE"}, "security_protocol plaintext has no TLS"),
        ({"SECURITY_PROTOCOL": "sasl_plaintext", "SSL_CA_LOCATION": "FILE", **LOGIN}, "sasl_plaintext has no TLS"),
        ({"SSL_KEY_PASSWORD": "hush"}, "security_protocol plaintext has no TLS"),
        ({"SECURITY_PROTOCOL": "ssl", "SSL_CA_LOCATION": "/no/such/ca.pem"}, "SSL_CA_LOCATION: Path does not point to"),
        ({"SECURITY_PROTOCOL": "ssl", "SSL_KEY_LOCATION": "FILE"}, "ssl_certificate_location and ssl_key_location go"),
        ({"SECURITY_PROTOCOL": "ssl", "SSL_CERTIFICATE_LOCATION": "FILE"}, "go together"),
        ({"SECURITY_PROTOCOL": "ssl", "SSL_KEY_PASSWORD": "hush"}, "but no ssl_key_location"),
        ({"SECURITY_PROTOCOL": "ssl", "EMBEDDED": "true"}, "the embedded broker speaks plaintext only"),
    ],
)
def test_security_that_is_none_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str], words: str
) -> None:
    (tmp_path / "file.pem").touch()
    for name, text in given.items():
        monkeypatch.setenv(f"MOSAICAST_KAFKA__{name}", text.replace("FILE", str(tmp_path / "file.pem")))
    with pytest.raises(settings.WrongSettingsError, match=words) as caught:
        settings.load()
    assert str(caught.value).startswith("MOSAICAST_KAFKA")
    assert "hush" not in str(caught.value)
    assert ";" not in str(caught.value)


def test_security_settings_that_are_empty_are_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CA_LOCATION", "SSL_KEY_LOCATION", "SSL_KEY_PASSWORD", "SASL_USERNAME", "SASL_PASSWORD"):
        monkeypatch.setenv(f"MOSAICAST_KAFKA__{name}", "")
    assert settings.load().kafka == settings.KafkaSettings()


def test_kafkas_password_comes_from_a_secret_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mosaicast_kafka__sasl_password").write_text("hush")
    monkeypatch.setenv("MOSAICAST_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("MOSAICAST_KAFKA__SASL_USERNAME", "u")
    monkeypatch.setenv("MOSAICAST_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    loaded = settings.load()
    assert loaded.kafka.sasl_password is not None
    assert loaded.kafka.sasl_password.get_secret_value() == "hush"
    assert "hush" not in repr(loaded)


# --- whose secrets ------------------------------------------------------------------------------------------

SECRETS: dict[str, Collection[str]] = {
    "MOSAICAST_EDGE__TOKEN": {"api", "ingest", "compositor"},
    "MOSAICAST_CONTROL__TOKEN": {"api"},
    "MOSAICAST_HLS__TOKEN": {"compositor"},
    "MOSAICAST_API__ADMIN_TOKEN": {"api"},
    "MOSAICAST_QDRANT__API_KEY": {"api", "recognizer"},
    "MOSAICAST_VAULT__KEY": {"api", "recognizer"},
    "MOSAICAST_DATABASE__URL": {"api"},
    "MOSAICAST_KAFKA__SASL_PASSWORD": set(settings.SERVICES),
    "MOSAICAST_KAFKA__SSL_KEY_PASSWORD": set(settings.SERVICES),
    "MOSAICAST_TOKEN": set[str](),  # the command line's own
    "MOSAICAST_TYPO": set[str](),
    "mosaicast_vault__key": {"api", "recognizer"},  # names in any case are read
}
"""Who may have which secret. A new one belongs in here."""


@pytest.mark.parametrize("service", settings.SERVICES)
def test_a_service_is_given_its_own_secrets_only(service: settings.Service) -> None:
    whole = dict.fromkeys(SECRETS, "hush") | {"PATH": "/bin", "MOSAICAST_LOG_LEVEL": "INFO", "MOSAICAST_ENV_FILE": "/e"}
    given = settings.environment_for(service, whole)
    assert {name for name in given if name in SECRETS} == {name for name, who in SECRETS.items() if service in who}
    assert {"PATH", "MOSAICAST_LOG_LEVEL", "MOSAICAST_ENV_FILE"} <= set(given)


def test_a_service_is_given_the_settings_that_it_has() -> None:
    whole = {"MOSAICAST_DATA_DIR": "/d", "MOSAICAST_EDGE__RTMP_URL": "rtmp://e", "MOSAICAST_EDGE": "{}"}
    assert set(settings.environment_for("compositor", whole)) == set(whole)
    assert set(settings.environment_for("ingest", whole)) == {"MOSAICAST_EDGE__RTMP_URL", "MOSAICAST_EDGE"}
    assert set(settings.environment_for("recognizer", whole)) == {"MOSAICAST_DATA_DIR"}
    assert settings.environment_for("detector", whole) == {}


def texts(model: BaseModel) -> Iterator[str]:
    """Yield the text of everything that settings hold, secrets too."""
    for _, value in model:
        if isinstance(value, BaseModel):
            yield from texts(value)
        else:
            yield value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@pytest.mark.parametrize("service", settings.SERVICES)
def test_a_service_forgets_the_secrets_of_others_and_leaves_none_in_its_environment(
    service: settings.Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mosaicast_edge__token").write_text("hush-1")
    (tmp_path / "env").write_text("MOSAICAST_VAULT__KEY=hush-2\nMOSAICAST_API__ADMIN_TOKEN=hush-3\n")
    for name, value in {
        "SECRETS_DIR": str(tmp_path), "ENV_FILE": str(tmp_path / "env"), "QDRANT__API_KEY": "hush-4",
        "DATABASE__URL": "postgresql://u:hush-5@h/d", "INSTANCE": "7", "TOKEN": "hush-6",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"MOSAICAST_{name}", value)
    monkeypatch.setenv("OTHER", "stays")
    loaded = settings.load_or_exit(settings.SERVICES[service])
    planted = {
        "hush-1": "MOSAICAST_EDGE__TOKEN",
        "hush-2": "MOSAICAST_VAULT__KEY",
        "hush-3": "MOSAICAST_API__ADMIN_TOKEN",
        "hush-4": "MOSAICAST_QDRANT__API_KEY",
        "postgresql://u:hush-5@h/d": "MOSAICAST_DATABASE__URL",
    }
    held = {planted[text] for text in texts(loaded) if text in planted}
    assert held == {name for name in planted.values() if service in SECRETS[name]}
    assert loaded.instance == "7"
    assert not [name for name in os.environ if name.upper().startswith("MOSAICAST")]
    assert os.environ["OTHER"] == "stays"


def test_programs_of_others_see_no_setting_of_ours() -> None:
    assert settings.foreign({"MOSAICAST_VAULT__KEY": "x", "mosaicast_token": "y", "PATH": "/bin"}) == {"PATH": "/bin"}


def test_every_secret_of_the_settings_has_its_row() -> None:
    """A new secret is nobody's until somebody says whose."""
    secret = {one.name for one in settings.variables(settings.Settings) if "SecretStr" in str(one.field.annotation)}
    assert len(secret) >= 7
    assert secret <= set(SECRETS)


def test_the_command_line_knows_what_the_services_have_and_nothing_else() -> None:
    every = {one.name for kind in settings.SERVICES.values() for one in settings.variables(kind)}
    assert {one.name for one in settings.variables(settings.Settings)} == every


def test_every_setting_has_a_description() -> None:
    blank = [one.name for one in settings.variables(settings.Settings) if not description(one)]
    assert blank == []


NAMES_OF_0_1 = """
DATA_DIR MODELS_DIR MEDIA_DIR LOG_LEVEL INSTANCE METRICS_HOST METRICS_PORT KAFKA__BOOTSTRAP
KAFKA__EMBEDDED KAFKA__ASSIGNMENT_INDEX KAFKA__ASSIGNMENT_COUNT KAFKA__SECURITY_PROTOCOL
KAFKA__SSL_CA_LOCATION KAFKA__SSL_CERTIFICATE_LOCATION KAFKA__SSL_KEY_LOCATION KAFKA__SSL_KEY_PASSWORD
KAFKA__SASL_MECHANISM KAFKA__SASL_USERNAME KAFKA__SASL_PASSWORD EDGE__RTMP_URL EDGE__PUBLIC_RTMP_URL
EDGE__PUBLIC_HLS_URL EDGE__TOKEN CONTROL__URL CONTROL__TOKEN MEDIA__LIVE_CODECS MEDIA__FILE_CODECS
MEDIA__FILE_FORMATS API__HOST API__PORT API__ADMIN_TOKEN QDRANT__URL QDRANT__API_KEY QDRANT__TIMEOUT_S
DETECTOR__MODEL DETECTOR__WEIGHTS DETECTOR__DEVICE DETECTOR__WIDTH DETECTOR__WORKERS DETECTOR__BATCH
DETECTOR__JPEG_THREADS RECOGNITION__BATCH
GUARD__LOOKS_PER_S RECOGNITION__FIRST RECOGNITION__FIRST_FLOOR RECOGNITION__SECOND RECOGNITION__SECOND_FLOOR
RECOGNITION__DEVICE DATABASE__URL VAULT__KEY
"""


@pytest.mark.parametrize("name", NAMES_OF_0_1.split())
def test_names_that_operators_use_are_still_read(name: str) -> None:
    """An installation's files name them: a name that goes must be announced, and taken from here on purpose."""
    assert f"MOSAICAST_{name}" in {one.name for one in settings.variables(settings.Settings)}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"PARTITIONS": "0"}, "PARTITIONS: "),
        ({"PARTITIONS": "8", "EMBEDDED": "true"}, "the embedded broker has 4 partitions"),
        ({"ASSIGNMENT_INDEX": "2", "ASSIGNMENT_COUNT": "2"}, "must be below assignment_count"),
        ({"ASSIGNMENT_INDEX": "0", "INSTANCE": "pod-0"}, "choose one"),
        ({"GROUP_PROTOCOL": "consumer", "INSTANCE": "pod-0"}, "needs group_protocol classic"),
        ({"INSTANCE": "a pod"}, "INSTANCE: "),
        ({"DELIVERY_TIMEOUT_S": "0"}, "DELIVERY_TIMEOUT_S: "),
    ],
)
def test_sharing_that_can_not_work_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], words: str
) -> None:
    for name, text in given.items():
        monkeypatch.setenv(f"MOSAICAST_KAFKA__{name}", text)
    with pytest.raises(settings.WrongSettingsError, match=words):
        settings.load()


@pytest.mark.parametrize("value", ["h264, aac", "", "h264,,aac", "h264;aac"])
def test_a_list_of_names_has_commas_and_nothing_else(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MOSAICAST_MEDIA__LIVE_CODECS", value)
    with pytest.raises(settings.WrongSettingsError, match="MOSAICAST_MEDIA__LIVE_CODECS"):
        settings.load()


def test_the_first_share_is_number_0(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.KafkaSettings(assignment_index=0, assignment_count=2).assignment_index == 0
    monkeypatch.setenv("MOSAICAST_KAFKA", '{"assignment_index": 0, "assignment_count": 2}')
    assert settings.load().kafka.assignment_index == 0
    monkeypatch.setenv("MOSAICAST_KAFKA", '{"assignment_index": ""}')
    assert settings.load().kafka.assignment_index is None
