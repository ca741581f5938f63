"""The files that operators deploy with, read as they are: Compose, images, settings, Slack's
manifest and the commit hooks agree with the code and with each other."""

import ast
import importlib.metadata
import io
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dotenv
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from slack_sdk.web.async_client import AsyncWebClient

from bots.incoming.intents import parser
from bots.slack.parse import shortcuts
from bots.slack.parse.commands import OUR_NAME
from bots.slack.parse.events import EventType
from bots.slack.views import ask
from shared.errors import SettingsError
from shared.settings import KEYS, read_settings
from tests.pins import OF_TORCH, SBOM, PinsError, image_python, pin_digests

ROOT = Path(__file__).parents[2]
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MANIFEST = yaml.safe_load((ROOT / "docs" / "slack-manifest.yaml").read_text())
ENV_EXAMPLE = ROOT / ".env.example"
SLACK_LIBRARY = [
    node
    for file in (ROOT / "bots" / "slack" / "sdk").glob("*.py")
    for node in ast.walk(ast.parse(file.read_text()))
]

each_service = pytest.mark.parametrize("name", SERVICES)
FOREIGN = ("redis", "vllm")
OUR_SERVICES = [name for name in SERVICES if name not in FOREIGN]
OUR_IMAGES = ("bots", "worker")
LOCKS = (*OUR_IMAGES, "models")
IMAGE_PYTHON = {
    "python_full_version": image_python(),
    "python_version": image_python().rpartition(".")[0],
}
"""What markers of requirements are told: the tests may run on another one."""
EXACT_IMAGE = re.compile(r"[\w./-]+:v?\d+\.\d+\.\d+(-[\w.-]+)?(@sha256:[0-9a-f]{64})?")
PLATFORM_PREFIXES = ("SLACK_", "DISCORD_")

PASSWORDS = {"REDIS_WORKER_PASSWORD", "REDIS_BOTS_PASSWORD"}
OF_VLLM = {"VLLM_MODEL", "VLLM_GPUS", "VLLM_FLAGS", "TRITON_CACHE_DIR"}
LIMITS = {"WORKER_MEMORY", "BOTS_MEMORY", "VLLM_MEMORY", "COMPOSE_FILE"}
COMPOSE_ONLY = {*PASSWORDS, "REDISCLI_AUTH", "HF_TOKEN", "HF_HUB_OFFLINE", *OF_VLLM, *LIMITS}
"""Names that others read: Compose, redis-cli, the model hub's library and vLLM."""
SET_BY_THE_IMAGE = {"PARLEY_DATA_DIR", "PARLEY_CACHE_DIR"}
NOT_FOR_COMPOSE = {
    "PARLEY_ALLOW_VOLATILE_REDIS",
    "PARLEY_REDIS_REPLICAS",
    "PARLEY_REDIS_CA",
    "PARLEY_REDIS_CERT",
    "PARLEY_REDIS_KEY",
}
"""The Redis of the file is never volatile, and there is one."""


def environment(name: str) -> dict[str, Any]:
    found: dict[str, Any] = SERVICES[name]["environment"]
    return found


def stages() -> dict[str, str]:
    """The stages of the Dockerfile by name, each with its instructions, comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    return {stage.splitlines()[0].split()[-1]: stage for stage in found}


def lineage(name: str) -> Iterator[str]:
    """A stage and those that it is made from or copies from."""
    stage = stages()[name]
    yield stage
    parent = stage.split()[0]
    for source in {parent, *re.findall(r"COPY --from=(\S+)", stage)} & set(stages()):
        yield from lineage(source)


def installed_with(requirements: Iterable[str]) -> set[str]:
    """Every distribution that pip would bring to an image, as the installed ones declare it."""
    waiting = [(Requirement(text), "") for text in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        needed, extra = waiting.pop()
        if needed.marker and not needed.marker.evaluate({"extra": extra, **IMAGE_PYTHON}):
            continue
        name = canonicalize_name(needed.name)
        new = {(name, wanted) for wanted in ("", *needed.extras)} - seen
        seen |= new
        for _, wanted in new:
            lines = importlib.metadata.requires(name) or []
            waiting += [(Requirement(line), wanted) for line in lines]
    return {name for name, _ in seen}


# Compose


def test_redis_is_reached_from_inside_only() -> None:
    assert {"ports", "network_mode"} & set(SERVICES["redis"]) == set()
    assert SERVICES["redis"]["networks"] == ["ledger"]


WAYS = {
    "redis": {"ledger"},
    "bots": {"ledger", "outside"},
    "worker": {"ledger", "model"},
    "worker-gpu": {"ledger", "model"},
    "vllm": {"model", "outside"},
}
OUTSIDE: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "worker-outside.yml").read_text())


@each_service
def test_a_worker_has_no_way_out_and_the_model_server_none_to_redis(name: str) -> None:
    assert set(SERVICES[name]["networks"]) == WAYS[name]
    assert {k for k, v in COMPOSE["networks"].items() if v == {"internal": True}} == {
        "ledger",
        "model",
    }


def test_the_workers_alone_get_a_way_out_and_only_by_a_file_that_is_named() -> None:
    assert set(OUTSIDE["services"]) == {"worker", "worker-gpu"}
    for name, added in OUTSIDE["services"].items():
        assert added == {
            "environment": {"HF_HUB_OFFLINE": "${HF_HUB_OFFLINE:-0}"},
            "networks": ["outside"],
        }
        assert environment(name)["HF_HUB_OFFLINE"] == "${HF_HUB_OFFLINE:-1}"


@each_service
def test_every_service_has_a_limit_of_memory_and_processes(name: str) -> None:
    service = SERVICES[name]

    limit = re.fullmatch(r"(?:\$\{[A-Z]+_MEMORY:-)?(\d+)g\}?", service["mem_limit"])
    assert limit
    assert 64 <= service["pids_limit"] <= 4096
    if name == "redis":
        full = re.search(r"^maxmemory (\d+)gb$", service["command"][-1], re.MULTILINE)
        assert full
        assert int(limit[1]) >= 2 * int(full[1]), "it may need as much again for a rewrite"


@each_service
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@each_service
def test_images_have_exact_versions(name: str) -> None:
    image = SERVICES[name]["image"]

    assert EXACT_IMAGE.fullmatch(image)
    if name not in FOREIGN:
        assert image == f"parley-{name}:{PROJECT['version']}"
        assert SERVICES[name]["build"]["target"] in stages()


@each_service
def test_services_are_checked_bounded_and_stripped_of_rights(name: str) -> None:
    service = SERVICES[name]

    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert service["restart"] == "unless-stopped"
    assert "stop_grace_period" in service
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["driver"] == "json-file"
    assert {"max-size", "max-file"} <= set(service["logging"]["options"])


@pytest.mark.parametrize("name", OUR_SERVICES)
def test_our_services_wait_for_redis(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}


@each_service
def test_no_value_of_a_secret_is_written_in_the_file(name: str) -> None:
    secret = re.compile(r"TOKEN|SECRET|PASSWORD|AUTH|URL")
    for key, value in environment(name).items():
        if secret.search(key):
            assert value is None or re.search(r"\$\{REDIS_(WORKER|BOTS)_PASSWORD:\?", value), key


def test_a_password_is_required_wherever_it_is_used() -> None:
    uses = re.findall(r"(?<!\$)\$\{REDIS_\w*_PASSWORD[^}]*\}", COMPOSE_TEXT)

    assert len(uses) >= 4
    assert all(":?put " in use for use in uses)


@pytest.mark.parametrize("name", OUR_SERVICES)
def test_each_side_knows_its_own_password_of_redis_alone(name: str) -> None:
    side = "bots" if name == "bots" else "worker"
    told = re.findall(r"\$\{(REDIS_\w+)", str(environment(name)))

    assert told == [f"REDIS_{side.upper()}_PASSWORD"]
    assert environment(name)["PARLEY_REDIS_URL"].startswith(f"redis://{side}:")


def test_redis_has_no_user_but_the_two_sides() -> None:
    config = SERVICES["redis"]["command"][-1]
    users = re.findall(r"^user (\w+) (\S+)", config, re.MULTILINE)

    assert users == [
        ("default", "off"),
        ("worker", "on"),
        ("bots", "on"),
    ]
    assert "requirepass" not in config, "it would be the password of the default user"
    assert "nopass" not in config


def test_platform_tokens_go_to_the_bots_alone() -> None:
    for name in set(SERVICES) - {"bots"}:
        assert not [key for key in environment(name) if key.startswith(PLATFORM_PREFIXES)]


def test_every_name_in_compose_is_a_setting() -> None:
    named = {key for name in SERVICES for key in environment(name)}
    named |= set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_TEXT))

    assert named - set(KEYS) - COMPOSE_ONLY == set()


def test_every_setting_reaches_a_service() -> None:
    passed = {key for name in OUR_SERVICES for key in environment(name)}

    assert set(KEYS) - SET_BY_THE_IMAGE - NOT_FOR_COMPOSE - passed == set()


def test_the_gpu_worker_is_asked_for_by_name_and_differs_in_its_device_alone() -> None:
    gpu, cpu = SERVICES["worker-gpu"], SERVICES["worker"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]

    assert gpu["profiles"] == ["gpu"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert "/cu" in gpu["build"]["args"]["TORCH_INDEX"]
    differing = {key for key in gpu if gpu[key] != cpu.get(key)}
    assert differing == {"profiles", "build", "image", "environment", "deploy"}
    assert environment("worker-gpu") == {
        **environment("worker"),
        "PARLEY_DEVICE": "${PARLEY_DEVICE:-cuda}",
    }


def test_the_model_server_is_asked_for_by_name_and_reached_from_inside_only() -> None:
    vllm = SERVICES["vllm"]
    (device,) = vllm["deploy"]["resources"]["reservations"]["devices"]

    assert vllm["profiles"] == ["vllm"]
    assert {"ports", "network_mode"} & set(vllm) == set()
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_volumes_are_named() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]

    assert {mount.partition(":")[0] for mount in mounts} == set(COMPOSE["volumes"])
    assert SERVICES["redis"]["volumes"] == ["redis-data:/data"]


# Images


def test_base_images_have_exact_versions() -> None:
    bases = {stage.split()[0] for stage in stages().values()} - set(stages())

    assert bases
    assert all(EXACT_IMAGE.fullmatch(base) for base in bases)


@pytest.mark.parametrize(("target", "command"), [("bots", "bots"), ("worker", "worker")])
def test_images_run_one_side_and_not_as_root(target: str, command: str) -> None:
    final = stages()[target]

    assert re.findall(r"^USER (\S+)", final, re.MULTILINE) == ["parley"]
    assert f'CMD ["python", "-m", "{command}"]' in final
    assert SERVICES[target]["command"] == ["python", "-m", command]
    installs = [line for stage in lineage(target) for line in re.findall(r"'\.\[(.*)\]'", stage)]
    assert installs == [target]


def test_the_bots_image_brings_no_model_library() -> None:
    brought = installed_with([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["bots"]])

    assert {"slack-sdk", "discord-py", "redis"} <= brought
    assert brought & {"torch", "transformers", "accelerate", "numpy"} == set()
    installs = [line for stage in lineage("bots") for line in re.findall("pip install.*", stage)]
    assert installs == [
        "pip install --no-deps --require-hashes -r deploy/locks/bots.txt",
        "pip install --no-deps --no-build-isolation '.[bots]' && pip check",
    ]


def locked(name: str) -> dict[str, list[str]]:
    """A lock file: each distribution with its version, then its hashes."""
    entries = re.findall(r"^(\S+)==(\S+)((?: \\\n    \S+)+)$", lock_text(name), re.MULTILINE)
    return {
        canonicalize_name(name): [version, *rest.split()[1::2]] for name, version, rest in entries
    }


def lock_text(name: str) -> str:
    return (ROOT / "deploy" / "locks" / f"{name}.txt").read_text()


@pytest.mark.parametrize("image", OUR_IMAGES)
def test_the_lock_of_an_image_has_what_the_project_needs_and_nothing_else(image: str) -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][image]]
    lock = {name: Version(version) for name, (version, *_) in locked(image).items()}
    needed = {name for name in installed_with(wanted) if not OF_TORCH.fullmatch(name)}

    assert set(lock) == needed | {Requirement(text).name for text in build}
    for requirement in map(Requirement, [*wanted, *build]):
        name = canonicalize_name(requirement.name)
        assert name == "torch" or lock[name] in requirement.specifier


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_the_versions_of_make_and_a_hash_for_each(name: str) -> None:
    constraints = map(Requirement, (ROOT / "constraints.txt").read_text().splitlines())
    pinned: dict[str, str] = {
        canonicalize_name(each.name): str(each.specifier) for each in constraints
    }

    entries = locked(name)

    assert len(re.findall("^\\w", lock_text(name), re.MULTILINE)) == len(entries)
    for distribution, (version, *hashes) in entries.items():
        assert pinned[distribution] == f"=={version}"
        assert hashes
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes)


def test_every_lock_is_installed_with_its_hashes() -> None:
    text = "\n".join(stages().values())

    installed = re.findall(
        r"pip install --no-deps --require-hashes -r deploy/locks/(\w+)\.txt", text
    )

    assert sorted(installed) == sorted((*LOCKS, "sbom"))
    assert {file.stem for file in (ROOT / "deploy" / "locks").iterdir()} == {*LOCKS, "sbom"}


def test_the_lock_of_the_tool_that_lists_an_image_has_a_hash_for_each() -> None:
    entries = locked("sbom")

    assert f"cyclonedx-bom=={entries['cyclonedx-bom'][0]}" == SBOM
    assert len(re.findall("^\\w", lock_text("sbom"), re.MULTILINE)) == len(entries)
    assert all(hashes for _, *hashes in entries.values())


@pytest.mark.parametrize("stage", ["bots-builder", "worker-builder", "gpu"])
def test_an_image_lists_what_it_contains_once_all_is_installed(stage: str) -> None:
    before, _, after = stages()[stage].partition("/opt/sbom/bin/cyclonedx-py environment")

    assert "pip install" in before
    assert "pip install" not in after
    assert "--output-file /opt/venv/share/parley.cdx.json /opt/venv/bin/python" in after


def test_images_of_others_are_pinned_by_their_digests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = f"sha256:{'ab' * 32}"
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho '\"{digest}\"'\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    copies = [tmp_path / name for name in ("Dockerfile", "docker-compose.yml")]
    for copy in copies:
        copy.write_text((ROOT / copy.name).read_text())

    for _ in range(2):  # a second time replaces the digests
        assert pin_digests(copies) == 0

    pinned = re.findall(rf"(\S+)@{digest}", "".join(copy.read_text() for copy in copies))
    named = {SERVICES[name]["image"] for name in FOREIGN}
    bases = {stage.split()[0] for stage in stages().values()} - set(stages())
    assert sorted(pinned) == sorted({image.partition("@")[0] for image in named | bases})


def test_a_registry_that_tells_no_digest_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho no such host >&2; exit 1\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    copy = tmp_path / "Dockerfile"
    copy.write_text("FROM python:3.11.15-slim-bookworm AS base\n")

    with pytest.raises(PinsError, match=r"no digest of python:3.11.15.*no such host"):
        pin_digests([copy])
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    with pytest.raises(PinsError, match="there is no docker here"):
        pin_digests([copy])


def test_every_file_copied_into_an_image_is_let_through_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    copies = re.findall(r"^COPY (?!--from)(.*) \S+$", "\n".join(stages().values()), re.MULTILINE)
    copied = {source for line in copies for source in line.split()}

    assert rules[0] == "*", "what is not named stays out, .env too"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == copied


def test_the_dockerfile_holds_no_secret() -> None:
    assert not re.search(r"TOKEN|SECRET|PASSWORD|\.env", "".join(stages().values()))


# .env.example


def switched_on() -> dict[str, str | None]:
    """The example with every setting switched on."""
    lines = re.sub(r"^# (?=[A-Z_]+=)", "", ENV_EXAMPLE.read_text(), flags=re.MULTILINE)
    return dict(dotenv.dotenv_values(stream=io.StringIO(lines)))


def test_the_example_names_settings_only_and_every_platform_variable() -> None:
    named = set(switched_on())
    platforms = {key for key in KEYS if key.startswith(PLATFORM_PREFIXES)}

    assert named - set(KEYS) - COMPOSE_ONLY == set()
    assert platforms <= named
    assert named >= PASSWORDS


def test_the_example_as_it_is_changes_nothing() -> None:
    assert read_settings({}, ENV_EXAMPLE) == read_settings({}, None)
    assert dict(dotenv.dotenv_values(ENV_EXAMPLE)) == dict.fromkeys(PASSWORDS, "")


def test_the_examples_tokens_are_refused_until_they_are_real() -> None:
    values = {key: value or "" for key, value in switched_on().items()}
    tokens = [key for key in values if key.startswith(PLATFORM_PREFIXES)]
    rest = {key: value for key, value in values.items() if key not in tokens}

    assert read_settings(rest, None).http_port
    for token in tokens:
        with pytest.raises(SettingsError, match="placeholder"):
            read_settings({**rest, token: values[token]}, None)


# Slack's manifest


EVENT_SCOPES: dict[str, set[str]] = {
    "app_home_opened": set(),
    "app_uninstalled": set(),
    "tokens_revoked": set(),
    "agent_session_stopped": {"assistant:write"},
    "app_mention": {"app_mentions:read"},
    "message.channels": {"channels:history"},
    "message.groups": {"groups:history"},
    "message.im": {"im:history"},
    "message.mpim": {"mpim:history"},
    "pin_added": {"pins:read"},
    "pin_removed": {"pins:read"},
    "reaction_added": {"reactions:read"},
}
"""docs.slack.dev/reference/events: the scope that each event needs."""
HISTORY = (
    EVENT_SCOPES["message.channels"]
    | EVENT_SCOPES["message.groups"]
    | EVENT_SCOPES["message.im"]
    | EVENT_SCOPES["message.mpim"]
)
READ = {"channels:read", "groups:read", "im:read", "mpim:read"}
METHOD_SCOPES: dict[str, set[str]] = {
    "agents_sessions_setStatus": {"assistant:write"},
    "assistant_threads_setSuggestedPrompts": {"assistant:write"},
    "auth_test": set(),
    "apps_connections_open": set(),  # the app token's connections:write
    "chat_appendStream": {"chat:write"},
    "chat_delete": {"chat:write"},
    "chat_postEphemeral": {"chat:write"},
    "chat_postMessage": {"chat:write"},
    "chat_startStream": {"chat:write"},
    "chat_stopStream": {"chat:write"},
    "chat_update": {"chat:write"},
    "conversations_history": HISTORY,
    "conversations_info": READ,
    "conversations_members": READ,
    "conversations_open": {"im:write"},
    "conversations_replies": HISTORY,
    "files_completeUploadExternal": {"files:write"},
    "files_getUploadURLExternal": {"files:write"},
    "reactions_add": {"reactions:write"},
    "pins_list": {"pins:read"},
    "reactions_remove": {"reactions:write"},
    "usergroups_users_list": {"usergroups:read"},
    "users_conversations": READ,
    "users_info": {"users:read"},
    "views_open": set(),
    "views_publish": set(),
    "views_update": set(),
}
"""docs.slack.dev/reference/methods: the bot token's scopes that each call needs."""


def methods_called() -> set[str]:
    """The Web API methods that the adapter calls."""
    attributes = {node.attr for node in SLACK_LIBRARY if isinstance(node, ast.Attribute)}
    return {name for name in attributes if re.match(r"[a-z]+_\w", name)} & set(dir(AsyncWebClient))


def events_handled() -> set[str]:
    """The types of event that the adapter has a listener of its own for."""
    return {event.value for event in EventType}


def test_slacks_scopes_are_those_that_the_adapter_needs() -> None:
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]
    needed = {scope for event in events for scope in EVENT_SCOPES[event]}
    needed |= {"commands", "files:read"}  # slash commands and menus; the bytes of a shared file
    assert methods_called() == set(METHOD_SCOPES)
    needed |= {scope for method in methods_called() for scope in METHOD_SCOPES[method]}

    scopes = MANIFEST["oauth_config"]["scopes"]

    assert set(scopes) == {"bot"}, "nothing is done in a person's name"
    assert sorted(scopes["bot"]) == sorted(needed)


def test_slacks_events_are_those_that_the_adapter_handles() -> None:
    events = MANIFEST["settings"]["event_subscriptions"]["bot_events"]

    assert sorted(events) == sorted(EVENT_SCOPES)
    assert {event.partition(".")[0] for event in events} == events_handled()


def test_slacks_menus_and_commands_are_those_that_the_adapter_reads() -> None:
    features = MANIFEST["features"]
    menus = {entry["callback_id"]: entry["type"] for entry in features["shortcuts"]}
    commands = [entry["command"].removeprefix("/") for entry in features["slash_commands"]]

    anywhere = dict.fromkeys((ask.ASK, ask.SETTINGS), "global")
    assert menus == dict.fromkeys(shortcuts.TASKS, "message") | anywhere
    assert commands[0] == OUR_NAME.removeprefix("/")
    assert set(commands[1:]) <= set(parser.COMMANDS)
    assert all(entry["should_escape"] is False for entry in features["slash_commands"])


def test_slacks_app_needs_no_way_in_and_can_be_written_to() -> None:
    settings, home = MANIFEST["settings"], MANIFEST["features"]["app_home"]

    assert settings["socket_mode_enabled"] is True
    assert settings["token_rotation_enabled"] is False
    assert settings["interactivity"] == {"is_enabled": True}
    assert (home["messages_tab_enabled"], home["messages_tab_read_only_enabled"]) == (True, False)


# Commit hooks


def test_commit_hooks_are_those_of_make_lint_in_the_same_versions() -> None:
    config = ROOT / ".pre-commit-config.yaml"
    repos = yaml.safe_load(config.read_text())["repos"]
    hooks = {hook["id"] for repo in repos for hook in repo["hooks"]}
    constraints = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.partition(";")[0].split("==") for line in constraints if "==" in line)
    revisions = {repo["hooks"][0]["id"]: repo["rev"] for repo in repos if repo["repo"] != "local"}

    assert hooks == {
        "ruff-check",
        "ruff-format",
        "mypy",
        "codespell",
        "check-toml",
        "check-yaml",
        "end-of-file-fixer",
        "trailing-whitespace",
    }
    assert revisions["ruff-check"] == f"v{pinned['ruff']}"
    assert revisions["codespell"] == f"v{pinned['codespell']}"
    command = [sys.executable, "-m", "pre_commit", "validate-config", str(config)]
    subprocess.run(command, check=True, capture_output=True)
