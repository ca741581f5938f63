"""``parley audit``, ``settings``, ``export-user`` and ``explain-policy``, as they are typed."""

import dataclasses
import json

import pytest

from bots.incoming.explain import explain
from shared.jobs import Kind
from shared.ledger import lifecycle
from shared.ledger import preferences as rulebook
from shared.ledger.quotas import Quotas
from shared.preferences import Preferences, Scope, Stored, WhenToSpeak
from shared.settings import read_settings
from tests.integration.ledger_steps import LIMITS, message
from tests.integration.test_desk import parley
from worker.store import BlockingStore

WORKSPACE, CHANNEL = Scope("slack:T1"), Scope("slack:T1", "C1")
OFF = Preferences(when_to_speak=WhenToSpeak.OFF, tasks_off=frozenset({Kind.WRITE}))


@pytest.fixture
def prefer(store: BlockingStore) -> None:
    """What an administrator has changed, first for the workspace and then for a channel."""
    store.run(rulebook.put(WORKSPACE, Stored(), Preferences(language="fr"), "U1"))
    store.run(rulebook.put(CHANNEL, Stored(), OFF, "U2"))


@pytest.mark.usefixtures("prefer")
def test_audit_says_who_changed_what(quiet_redis: str) -> None:
    plain = parley(quiet_redis, "audit")
    for_programs = parley(quiet_redis, "audit", "--json", "--most", "1")

    lines = [line.partition(" UTC  ")[2] for line in plain.stdout.splitlines()]
    assert lines == [
        'slack:T1 (workspace)  user U1  language: nothing -> "fr"',
        'slack:T1 C1  user U2  when_to_speak: nothing -> "off"',
        'slack:T1 C1  user U2  tasks_off: nothing -> "write"',
    ]
    entry = json.loads(for_programs.stdout)
    assert (entry["user"], entry["field"], entry["new"]) == ("U2", "tasks_off", "write")


@pytest.mark.usefixtures("prefer")
def test_settings_says_what_is_preferred_where(quiet_redis: str) -> None:
    assert parley(quiet_redis, "settings").stdout.splitlines() == [
        'slack:T1 (workspace)  version 1  language: "fr"',
        'slack:T1 C1  version 1  when_to_speak: "off"; tasks_off: "write"',
    ]


def test_export_user_prints_all_that_is_kept_of_a_person(
    store: BlockingStore, quiet_redis: str
) -> None:
    job = dataclasses.replace(message(1), text="Où est la gare ?")
    store.run(lifecycle.accept(job, LIMITS, quotas=Quotas()))

    exported = parley(quiet_redis, "export-user", "slack:T1:U1")
    nobody = parley(quiet_redis, "export-user", "slack:T1:U9")

    document = json.loads(exported.stdout)
    assert [question["text"] for question in document["questions"]] == [job.text]
    assert [used["messages"] for used in document["used"].values()] == [1]
    assert json.loads(nobody.stdout)["questions"] == []


@pytest.mark.parametrize("name", ["U1", "slack:U1", "teams:T1:U1", "slack:T1:"])
def test_export_user_wants_a_whole_name(quiet_redis: str, name: str) -> None:
    run = parley(quiet_redis, "export-user", name)

    assert run.returncode == 78
    assert "PLATFORM:TEAM:USER" in run.stderr


@pytest.mark.usefixtures("prefer")
def test_explain_policy_asks_what_is_preferred(quiet_redis: str) -> None:
    off = parley(quiet_redis, "explain-policy", "--mention")
    elsewhere = parley(quiet_redis, "explain-policy", "--mention", "--channel", "C2")

    assert off.stdout.startswith("silent: answers are switched off in this channel\n")
    assert "what is preferred there" in off.stdout
    assert elsewhere.stdout.startswith("answered: it mentions us\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--thread", "--talk", "bob,carol", "--author", "alice"], "silent: somebody else spoke"),
        (["--thread", "--muted"], "silent: this thread is muted"),
        (["--thread", "--muted", "--mention"], "answered: it mentions us"),
        (["--json", '{"direct": true}'], "answered: it is a direct message"),
        (["--json", '{"direct": true}', "--bot"], "silent: no person wrote it"),
        (["--command"], "answered: it is a command"),
        (["--reply", "--mention-others"], "silent: it mentions somebody else"),
    ],
)
def test_explain_policy_says_why_with_a_redis_that_is_away_too(
    arguments: list[str], said: str
) -> None:
    run = parley("redis://127.0.0.1:1/0", "explain-policy", *arguments)

    assert run.stdout.startswith(said)
    assert "Redis does not answer" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mention"], "access: may ask: slack:T1 is allowed\n"),
        (["--mention", "--guest"], "sees the documents of this channel alone"),
        (["--direct", "--home", "T9"], "refused: no name that is allowed fits"),
        (["--mention", "--workspace", "slack:T2"], "access: may not ask: no name that is allowed"),
        (["--mention", "--author", "U9"], "refused: slack:T1/U9 is denied\n"),
        (["--author", "U9"], "silent: nothing says that it is meant for us\n"),
        (["--mention", "--workspace", "discord:5", "--roles", "6,7"], "discord:5/role:7 is"),
        (["--direct", "--workspace", "discord:5", "--roles", "7"], "discord:5/role:7 is allowed"),
        (["--mention", "--workspace", "discord:5"], "refused: no name that is allowed"),
        (["--command", "--workspace", "discord:5", "--user-install"], "refused: user installs are"),
        (["--mention", "--channel", "C7"], "refused: slack:T1/C7 is denied"),
        (["--mention", "--channel", "C8", "--parent", "C7"], "refused: slack:T1/C7 is denied"),
    ],
)
async def test_explain_policy_explains_access(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    lists = {
        "PARLEY_ALLOWED": "slack:T1, discord:5/role:7",
        "PARLEY_DENIED": "slack:T1/U9, slack:T1/C7",
    }
    await explain(arguments, read_settings(lists, None))

    assert said in capsys.readouterr().out


def test_explain_policy_knows_what_was_allowed_and_denied_by_command(quiet_redis: str) -> None:
    denied = parley(quiet_redis, "deny", "slack:T1/C1", "slack:*/guests")
    listed = parley(quiet_redis, "access", "list")
    explained = parley(quiet_redis, "explain-policy", "--mention")
    allowed = parley(quiet_redis, "allow", "slack:T1/C1")
    removed = parley(quiet_redis, "access", "remove", "slack:*/guests", "slack:T9")
    after = parley(quiet_redis, "access", "list", "--json")
    audited = parley(quiet_redis, "audit")

    assert denied.stdout == "slack:T1/C1  is denied.\nslack:*/guests  is denied.\n"
    assert "denied  slack:T1/C1  (command)\n" in listed.stdout
    assert explained.stdout.startswith("refused: slack:T1/C1 is denied\n")
    assert allowed.stdout == "slack:T1/C1  is allowed, and denied no more.\n"
    assert removed.stdout == "slack:*/guests  is denied no more.\nslack:T9  was on no list.\n"
    assert json.loads(after.stdout) == [{"name": "slack:T1/C1", "list": "allowed", "by": "command"}]
    assert "slack:T1 (workspace)  user operator  access slack:T1/C1" in audited.stdout


def test_names_of_a_command_are_all_read_before_any_takes_effect(quiet_redis: str) -> None:
    run = parley(quiet_redis, "deny", "slack:T1", "slack:nonsense")
    listed = parley(quiet_redis, "access", "list")

    assert (run.returncode, run.stdout) == (78, "")
    assert "“slack:nonsense”" in run.stderr
    assert "Traceback" not in run.stderr
    assert listed.stdout == "Everybody may ask: nothing is allowed or denied by name.\n"


@pytest.mark.parametrize(
    ("arguments", "piece"),
    [
        (["--workspace", "foo"], "slack:T012AB3CD"),
        (["--bots-in-a-row", "many"], "bots_in_a_row"),
        (["--json", '{"kanal": "C1"}'], "kanal"),
        (["--json", "nonsense"], "--json"),
        (["--at", "soon"], "at:"),
    ],
)
def test_explain_policy_says_what_it_cannot_read(arguments: list[str], piece: str) -> None:
    run = parley("redis://127.0.0.1:1/0", "explain-policy", *arguments)

    assert run.returncode == 78
    assert piece in run.stderr
