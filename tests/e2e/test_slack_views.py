"""Settings, the Home tab, shortcuts and what a person wants for themselves, on Slack.

One bots process and one worker for all tests; each test has a channel of its own.
"""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from bots.incoming.preference_form import NO_LANGUAGE
from bots.incoming.preferences import NOT_ADMIN, OVERTAKEN
from bots.slack.handlers.settings import SAVED
from bots.slack.views.home import PROMPTS
from tests.e2e.conftest import free_port, start_bots, stop_bots
from tests.fakes.slack_delivery import Delivery
from tests.fakes.slack_server import FakeSlack
from tests.fakes.slack_store import Message, View
from tests.running import RunningModule

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALICE, BOB, BOSS, TRUSTED, MAKER = "U0ALICE", "U0BOB", "U0BOSS", "U0TRUSTED", "U0MAKER"
NUMBERS = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slack(redis_server: str, worker: RunningModule) -> AsyncIterator[FakeSlack]:
    """A Slack with a bots process."""
    del worker
    async with FakeSlack(retry_after_s=3.0) as server:
        for user in (ALICE, BOB, TRUSTED, MAKER):
            server.add_user(user, user.lower())
        server.add_user(BOSS, "boss", is_admin=True)
        settings = {
            "PARLEY_REDIS_URL": redis_server,
            "PARLEY_HTTP_PORT": str(free_port()),
            "PARLEY_SLACK_API_URL": server.api_url,
            "PARLEY_ADMINS": TRUSTED,
            "SLACK_BOT_TOKEN": server.bot_token,
            "SLACK_APP_TOKEN": server.app_token,
        }
        bots = await start_bots(settings, "slack_ready")
        await server.wait_for_connections(1)
        yield server
        await stop_bots(bots)


@dataclass(frozen=True, slots=True)
class Room:
    """A channel that somebody has made."""

    slack: FakeSlack
    id: str

    async def use(self, user: str, words: str) -> Delivery:
        """Use ``/parley`` here; the command has been acknowledged when this returns."""
        return await self.acked(await self.slack.slash(self.id, user, "/parley", words))

    async def acked(self, delivery: Delivery) -> Delivery:
        """A delivery that was taken at once."""
        await self.slack.wait_for(lambda: delivery.state != "waiting")
        assert (delivery.state, len(delivery.attempts)) == ("acked", 1)
        return delivery

    async def view_of(self, user: str, title: str, after: int = 0) -> View:
        """The view that somebody was shown, after so many before."""

        def found() -> list[View]:
            views = [view for view in self.slack.views[after:] if view.user == user]
            return [v for v in views if v.view.get("title", {}).get("text", "") == title]

        await self.slack.wait_for(found)
        return found()[-1]

    async def form(self, user: str, words: str = "settings") -> View:
        """The form of settings that somebody asked for."""
        num_before = len(self.slack.views)
        await self.use(user, words)
        return await self.view_of(user, "Parley: settings", num_before)

    async def send(self, view: View, user: str, **values: object) -> dict[str, Any]:
        """Send a form; what came back."""
        state = {name: {"value": _field(value)} for name, value in values.items()}
        delivery = await self.acked(await self.slack.submit_view(view.id, user, state))
        return delivery.response or {}


def _field(value: object) -> dict[str, object]:
    if isinstance(value, list):
        return {"selected_options": [{"value": item} for item in value]}
    if isinstance(value, dict):
        return {"selected_option": value}
    return {"value": value}


def option(value: str) -> dict[str, str]:
    return {"value": value}


def text_of(response: dict[str, Any]) -> str:
    """What a window says that takes the place of another."""
    return str(response["view"]["blocks"][0]["text"]["text"])


def values_in(view: View) -> dict[str, object]:
    """What the fields of a form hold at first."""
    inputs = [block for block in view.view["blocks"] if block["type"] == "input"]
    return {
        block["block_id"]: block["element"].get("initial_value")
        or (block["element"].get("initial_option") or {}).get("value")
        for block in inputs
    }


@pytest.fixture
def room(slack: FakeSlack) -> Room:
    """A channel that MAKER has made."""
    name = f"C0VIEWS{next(NUMBERS)}"
    people = [ALICE, BOB, BOSS, TRUSTED, MAKER, slack.bot_user_id]
    slack.add_channel(name, name.lower(), members=people).creator = MAKER
    return Room(slack, name)


async def begun(room: Room, question: Message) -> Message:
    """The first message of an answer."""

    def found() -> list[Message]:
        bot = room.slack.bot_user_id
        said = [m for m in room.slack.messages(room.id) if m.user == bot]
        return [message for message in said if message.thread_ts == question.ts]

    await room.slack.wait_for(found)
    return found()[0]


# Settings


async def test_a_channel_that_wants_every_message_answered_gets_that_at_once(room: Room) -> None:
    form = await room.form(BOSS)

    said = await room.send(
        form,
        BOSS,
        when_to_speak=option("always"),
        quiet_hours=None,
        language="French",
        retention_hours="12.5",
        tasks_off=["report"],
    )

    assert text_of(said) == SAVED
    question = await room.slack.say(room.id, ALICE, "nobody is mentioned here")
    await begun(room, question)
    again = await room.form(BOSS)
    known = values_in(again)
    assert (known["when_to_speak"], known["language"]) == ("always", "French")
    assert known["retention_hours"] == "12.5"


async def test_a_channel_that_wants_a_model_that_nobody_runs_is_told_who_wrote(room: Room) -> None:
    said = await room.send(await room.form(BOSS), BOSS, model="gemma-3-270m-it")
    assert text_of(said) == SAVED

    question = await room.slack.say(room.id, ALICE, f"<@{room.slack.bot_user_id}> hello")

    answer = await begun(room, question)
    note = "gemma-3-270m-it is not running; this is by endless."
    await room.slack.wait_for(lambda: note in answer.text)


async def test_only_those_who_may_are_shown_the_settings(room: Room) -> None:
    refused = [await room.use(ALICE, "settings"), await room.use(MAKER, "settings workspace")]

    assert [d.response and d.response["text"] for d in refused] == [
        NOT_ADMIN.replace("&", "&amp;")
    ] * 2
    assert all(d.response and d.response["response_type"] == "ephemeral" for d in refused)
    for user in (MAKER, TRUSTED, BOSS):
        assert await room.form(user)
    assert await room.form(TRUSTED, "settings workspace")


async def test_a_form_of_somebody_who_may_not_is_not_taken(room: Room) -> None:
    form = await room.form(BOSS)

    said = await room.send(form, ALICE, when_to_speak=option("always"))

    assert text_of(said) == NOT_ADMIN
    assert values_in(await room.form(BOSS))["when_to_speak"] is None


async def test_fields_that_cannot_be_read_are_named_and_nothing_is_saved(room: Room) -> None:
    form = await room.form(BOSS)

    said = await room.send(
        form,
        BOSS,
        language="Klingonish",
        quiet_hours="at night",
        retention_hours="0",
        when_to_speak=option("off"),
    )

    assert said["response_action"] == "errors"
    assert set(said["errors"]) == {"language", "quiet_hours", "retention_hours"}
    assert said["errors"]["language"] == NO_LANGUAGE
    assert values_in(await room.form(BOSS))["when_to_speak"] is None


async def test_who_was_overtaken_is_told_so(room: Room) -> None:
    mine, theirs = await room.form(BOSS), await room.form(TRUSTED)
    await room.send(theirs, TRUSTED, system_prompt="Be kind.")

    said = await room.send(mine, BOSS, system_prompt="Be brief.")

    assert text_of(said) == OVERTAKEN
    assert values_in(await room.form(BOSS))["system_prompt"] == "Be kind."


async def test_a_channels_settings_lead_to_the_workspaces(room: Room) -> None:
    form = await room.form(BOSS)
    assert "C0VIEWS" in form.view["private_metadata"]

    await room.acked(await room.slack.press_in_view(form.id, BOSS, "parley:workspace-settings"))

    await room.slack.wait_for(lambda: "C0VIEWS" not in form.view["private_metadata"])
    assert room.slack.calls("views.update")


# What a person wants for themselves


async def test_quota_is_told_in_private(room: Room) -> None:
    told = await room.use(ALICE, "quota")

    assert told.response is not None
    assert told.response["response_type"] == "ephemeral"
    assert "messages" in told.response["text"]
    assert "today" in told.response["text"]


async def test_forget_me_asks_first_and_says_what_was_deleted(room: Room) -> None:
    asked = await room.use(ALICE, "forget-me")
    assert asked.response is not None
    (question,) = [m for m in room.slack.messages(room.id) if m.is_ephemeral_for == ALICE]
    button = question.blocks[-1]["elements"][0]
    assert button["confirm"]["deny"]["text"] == "Keep it"

    await room.acked(await room.slack.press_button(room.id, question.ts, ALICE, "parley:forget"))

    def told() -> bool:
        said = [m for m in room.slack.messages(room.id) if m.is_ephemeral_for == ALICE]
        return any("I have deleted" in message.text for message in said)

    await room.slack.wait_for(told)


# Home


async def test_the_home_tab_has_help_quota_and_settings(room: Room) -> None:
    await room.acked(await room.slack.open_home(ALICE))
    await room.acked(await room.slack.open_home(BOSS))

    homes = {user: await room.view_of(user, "") for user in (ALICE, BOSS)}

    shown = str(homes[ALICE].view)
    assert all(word in shown for word in ("summarize", "today", "opt-out", "remembered"))
    assert "parley:workspace-settings" not in shown
    num_before = len(room.slack.views)
    await room.slack.press_in_view(homes[BOSS].id, BOSS, "parley:workspace-settings")
    assert await room.view_of(BOSS, "Parley: settings", num_before)


async def test_forget_me_on_the_home_tab_says_there_what_was_deleted(room: Room) -> None:
    await room.acked(await room.slack.open_home(BOB))
    home = await room.view_of(BOB, "")
    num_before = len(room.slack.views)

    await room.acked(await room.slack.press_in_view(home.id, BOB, "parley:forget"))

    anew = await room.view_of(BOB, "", num_before)
    assert "I have deleted" in str(anew.view)


async def test_prompts_are_suggested_in_direct_messages_where_slack_has_them(room: Room) -> None:
    method = "assistant.threads.setSuggestedPrompts"
    room.slack.fail_next(method, error="unknown_method")
    await room.acked(await room.slack.open_home(ALICE, "messages"))
    await room.slack.wait_for(lambda: room.slack.calls(method))

    await room.acked(await room.slack.open_home(ALICE, "messages"))

    await room.slack.wait_for(lambda: len(room.slack.calls(method)) == 2)
    assert 0 < len(PROMPTS) <= 4
    await room.slack.wait_for(lambda: room.slack.calls(method)[1].answer)
    assert room.slack.calls(method)[1].answer == {"ok": True}


# Shortcuts of no message


async def test_a_question_from_anywhere_is_answered_in_the_direct_message(room: Room) -> None:
    num_before = len(room.slack.views)
    await room.acked(await room.slack.use_shortcut(ALICE, "parley_ask_anywhere"))
    window = await room.view_of(ALICE, "Ask Parley", num_before)

    said = await room.send(window, ALICE, question="How deep is the sea?")

    assert said == {}
    direct = f"D{ALICE}"

    def answered() -> bool:
        return any(m.user == room.slack.bot_user_id for m in room.slack.messages(direct))

    await room.slack.wait_for(answered)


async def test_the_settings_shortcut_says_who_may_use_it(room: Room) -> None:
    num_before = len(room.slack.views)
    await room.acked(await room.slack.use_shortcut(ALICE, "parley_settings"))
    await room.acked(await room.slack.use_shortcut(BOSS, "parley_settings"))

    told = await room.view_of(ALICE, "Parley", num_before)

    assert NOT_ADMIN in str(told.view)
    assert await room.view_of(BOSS, "Parley: settings", num_before)
