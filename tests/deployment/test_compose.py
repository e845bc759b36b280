"""docker-compose.yml, Dockerfile, .env.example and what reads them; nothing is started here."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from remotedrive.rates import parse_rate
from tests.compose_host import file as compose_file
from tests.support.settings_read import names_read

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
DOCUMENT = yaml.safe_load(COMPOSE)
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
SECRETS = sorted(
    set(re.findall(r"\$\{(\w*(?:SECRET|PASSWORD|ACCESS_KEY|TOKEN)\w*)", COMPOSE))
    - {"JWT_SECRET", "JWT_SECRET_OLD"}  # not needed with an outside issuer; for a change
    - {"OIDC_CLIENT_SECRET", "PASSWORD_SIGN_IN"}  # the provider's to make; no secret
)
OURS = ("setup", "api", "collector", "tools")

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def new_env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("new") / ".env"
    path.write_bytes(subprocess.check_output([ROOT / "scripts" / "new-env"]))
    return path


def last_stage() -> str:
    return DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]


def test_the_compose_file_is_one_by_the_specification() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, "docker-compose.yml"],
        cwd=ROOT,
        check=True,
    )


def test_every_image_is_pinned_to_a_version() -> None:
    images = [each["image"] for name, each in SERVICES.items() if name not in OURS]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(images) == 6
    assert [image for image in images if not re.search(r":[\w.-]*\d+[\w.-]*$", image)] == []


def test_one_service_builds_the_image_and_the_others_do_not_look_for_it_elsewhere() -> None:
    assert [name for name, each in SERVICES.items() if "build" in each] == ["api"]
    others = [each for each in SERVICES.values() if each["image"] == SERVICES["api"]["image"]]
    assert [each.get("pull_policy") for each in others].count("never") == len(others) - 1


def test_the_image_can_be_read_by_its_user_however_strict_the_umask_of_the_checkout() -> None:
    assert re.search(r"\nRUN chmod -R a\+rX /app\b", last_stage().rpartition("\nCOPY ")[2])


def test_no_secret_has_a_default() -> None:
    assert len(SECRETS) == 7
    for name in SECRETS:
        uses = re.findall(rf"\$\{{?{name}\b(..)", COMPOSE)
        assert uses
        assert set(uses) == {":?"}, name


def test_every_service_that_stays_has_a_health_check() -> None:
    without = {
        name
        for name, each in SERVICES.items()
        if name != "api" and "test" not in each.get("healthcheck", {})
    }
    assert without == {"setup", "collector", "tools"}
    assert "healthcheck" not in SERVICES["api"]
    check = last_stage().partition("\nHEALTHCHECK ")[2].partition("\nCMD")[0]
    assert "http://127.0.0.1:8000/healthz" in check


def test_each_service_waits_for_what_it_needs() -> None:
    conditions = {
        name: {on: how["condition"] for on, how in each.get("depends_on", {}).items()}
        for name, each in SERVICES.items()
    }
    servers = {"postgres": "service_healthy", "minio": "service_healthy"}
    assert conditions == {
        "postgres": {},
        "minio": {},
        "redis": {},
        "setup": servers,
        "api": servers | {"setup": "service_completed_successfully", "redis": "service_started"},
        "collector": servers | {"setup": "service_completed_successfully"},
        "tools": servers,
        "proxy": {"api": "service_healthy"},
    }


def test_what_serves_is_started_again_keeps_its_data_and_ends_in_peace() -> None:
    for name in ("postgres", "minio", "redis", "api", "collector", "proxy"):
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert "stop_grace_period" in SERVICES[name]
    volumes = {
        each.partition(":")[0]
        for service in SERVICES.values()
        for each in service.get("volumes", [])
    }
    assert {each for each in volumes if not each.startswith("./")} == set(DOCUMENT["volumes"])


def test_only_the_proxy_is_open_to_others_unless_told_so() -> None:
    for name, each in SERVICES.items():
        for port in each.get("ports", []):
            assert port.startswith("${BIND_ADDRESS:-127.0.0.1}:") == (name != "proxy"), port
    assert "ports" not in SERVICES["postgres"]
    assert "ports" not in SERVICES["redis"]


def test_no_container_gains_rights_and_ours_writes_nothing() -> None:
    for name, each in SERVICES.items():
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert each.get("read_only", False) == (name in (*OURS, "redis")), name


def test_every_variable_is_explained_and_every_explained_one_is_used() -> None:
    used = set(re.findall(r"\$\{(\w+)", COMPOSE))
    explained = set(re.findall(r"^#?([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE))
    assert explained == used | {"COMPOSE_PROFILES"}


def test_every_setting_of_the_service_can_be_given_and_all_of_ours_get_the_same() -> None:
    # The store is compose's own MinIO, reached by its path and with fixed keys.
    of_others = {"MINIO_ADDRESSING", "MINIO_CREDENTIALS", "MINIO_REGION", "MINIO_SESSION_TOKEN"}
    needed = names_read() - of_others - {"DEBUG", "DATA_DIR"}
    given = SERVICES["api"]["environment"]
    assert needed - set(given) == set()
    assert {name: SERVICES[name]["environment"] for name in OURS} == dict.fromkeys(OURS, given)


def test_limits_are_on_and_an_empty_value_turns_one_off(new_env: Path) -> None:
    path, variables = ROOT / "docker-compose.yml", compose_file.read_env(new_env)
    limits = ("THROTTLE_INIT", "THROTTLE_COMMIT", "THROTTLE_SHARE")
    on = compose_file.read_compose(path, variables)["api"].environment
    assert all(parse_rate(on[name]).most for name in limits)
    off = compose_file.read_compose(path, variables | dict.fromkeys(limits, ""))["api"]
    assert [off.environment[name] for name in limits] == ["", "", ""]


def test_the_proxys_address_is_the_one_that_the_example_trusts() -> None:
    prefix = "172.30.77"
    assert SERVICES["proxy"]["networks"]["default"]["ipv4_address"].endswith(f"-{prefix}}}.2")
    assert f"#TRUSTED_PROXIES={prefix}.2\n" in EXAMPLE


def test_the_image_is_built_by_hashes_and_runs_as_a_user_without_rights() -> None:
    builder = DOCKERFILE.removesuffix(last_stage())
    assert "--require-hashes" in builder
    assert "--no-cache-dir" in builder
    assert "pip install" not in last_stage()
    (user,) = re.findall(r"^USER (.+)$", last_stage(), re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_the_image_holds_the_service_and_nothing_else(tmp_path: Path) -> None:
    compose_file.Image().build(tmp_path / "image")
    copied = {path.relative_to(tmp_path / "image") for path in (tmp_path / "image").rglob("*.*")}
    names = {str(path) for path in copied}
    assert {"manage.py", "remotedrive/asgi.py", "files/models/users.py"} <= names
    assert {path.parts[0] for path in copied} == {"manage.py", "remotedrive", "files"}
    unwanted = ("__pycache__", ".pyc", "embedded_store")
    assert [name for name in names if any(each in name for each in unwanted)] == []


def test_the_image_serves_on_every_address_with_as_many_workers_as_the_environment_says() -> None:
    command = "python -m remotedrive --host 0.0.0.0 --port 8000"
    assert compose_file.Image().command == command.split()
    assert "command" not in SERVICES["api"]
    assert "WEB_CONCURRENCY" in compose_file.Image().environment


@pytest.mark.parametrize("name", SECRETS)
def test_an_empty_secret_stops_it_with_its_name(
    name: str, new_env: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = compose_file.read_env(new_env)
    path = ROOT / "docker-compose.yml"
    assert set(compose_file.read_compose(path, variables)) == set(SERVICES)
    with pytest.raises(SystemExit):
        compose_file.read_compose(path, variables | {name: ""})
    assert name in capsys.readouterr().err


def test_a_new_env_has_random_secrets_of_the_right_length_and_all_else_of_the_example(
    new_env: Path,
) -> None:
    first = compose_file.read_env(new_env)
    second_env = subprocess.check_output([ROOT / "scripts" / "new-env"], text=True)
    assert sorted(first) == sorted([*SECRETS, "JWT_SECRET"])
    for name, value in first.items():
        assert re.fullmatch("[0-9a-f]+", value)
        assert f"{name}={value}\n" not in second_env
        if name.endswith("ACCESS_KEY"):
            assert 3 <= len(value) <= 20
        else:
            assert len(value) >= 40 if name.startswith("MINIO") else len(value) >= 64
    text = new_env.read_text(encoding="utf-8")
    assert re.sub(r"(?m)^([A-Z_]+=).+$", r"\1", text) == EXAMPLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${SET} $SET", "value value"),
        ("${SET:-other}", "value"),
        ("${SET:?is needed}", "value"),
        ("${EMPTY:-other}|${EMPTY-other}", "other|"),
        ("${UNSET:-other}|${UNSET-other}|${UNSET}", "other|other|"),
        ("${UNSET:-http://localhost:${PORT:-8000}}/x", "http://localhost:8000/x"),
        ("$${SET} $$", "${SET} $"),
    ],
)
def test_variables_are_put_in_as_compose_does(text: str, expected: str) -> None:
    put_in = compose_file.interpolate(text, {"SET": "value", "EMPTY": ""})
    assert put_in == expected


def test_what_compose_host_does_not_know_it_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_text("services: {one: {image: x, entrypoint: [y]}}", encoding="utf-8")
    with pytest.raises(SystemExit):
        compose_file.read_compose(path, {})
    assert "entrypoint" in capsys.readouterr().err
