"""Commands, menus and buttons of the fake Discord."""

import discord
import pytest

from tests.fakes.discord_model import Channel, User
from tests.fakes.discord_server import FakeDiscord
from tests.platform.fake_discord.clients import Api, Bot


async def test_commands_menus_and_buttons_reach_the_bot_and_are_answered(
    server: FakeDiscord, bot: Bot, channel: Channel, ada: User
) -> None:
    @bot.tree.command(name="ask", description="Ask.")
    async def ask(interaction: discord.Interaction, question: str) -> None:
        await interaction.response.defer()
        await interaction.followup.send(f"@everyone {question}?")
        await interaction.followup.send("more")

    @bot.tree.context_menu(name="Explain")
    async def explain(interaction: discord.Interaction, message: discord.Message) -> None:
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Stop", custom_id="stop"))
        await interaction.response.send_message(f"about {message.content}", view=view)

    synced = await bot.tree.sync()
    assert {command.name for command in synced} == {"ask", "Explain"}
    asked = await server.call_command(channel, ada, "ask", {"question": "why"})
    replies = await server.wait_for_replies(channel, count=2)
    assert [m.content for m in replies] == ["@everyone why?", "more"]
    assert (replies[0].id, replies[0].live_mentions) == (asked.message_ids[0], [])

    said = await server.say(channel, ada, "tides")
    await server.call_message_menu(said, ada, "Explain")
    [about] = await server.wait_for_replies(channel, contains="about tides")
    pressed = await server.press_button(about, ada, "stop")
    while (interaction := await bot.interactions.get()).id != pressed.id:
        pass
    await interaction.response.edit_message(content="stopped", view=None)
    assert (about.content, about.components) == ("stopped", [])


async def test_an_interaction_answered_late_twice_or_after_its_token_is_refused(
    api: Api, server: FakeDiscord, channel: Channel, ada: User
) -> None:
    now_s = 0.0
    server.settings.clock = lambda: now_s
    message = (await api.post(channel, content="x", components=[{"type": 2, "custom_id": "b"}]))[1]
    late = await server.press_button(int(message["id"]), ada, "b")
    now_s = 3.1
    answers = [
        await api.call("POST", f"/interactions/{late.id}/{late.token}/callback", {"type": 6})
    ]
    pressed = await server.press_button(int(message["id"]), ada, "b")
    callback = f"/interactions/{pressed.id}/{pressed.token}/callback"
    webhook = f"/webhooks/{server.application_id}/{pressed.token}"
    answers.append(await api.call("POST", webhook, {"content": "too early"}))
    answers += [await api.call("POST", callback, {"type": 6}) for _ in range(2)]
    answers.append(await api.call("POST", f"{webhook}?wait=1", {"content": "in time"}))
    now_s += 901.0
    answers.append(await api.call("POST", webhook, {"content": "too late"}))
    codes = [(status, (body or {}).get("code")) for status, body in answers]
    assert codes == [
        (404, 10062),
        (404, 10015),
        (204, None),
        (400, 40060),
        (200, None),
        (401, 50027),
    ]


async def test_an_unregistered_command_cannot_be_called(
    server: FakeDiscord, channel: Channel, ada: User
) -> None:
    with pytest.raises(LookupError, match="ask"):
        await server.call_command(channel, ada, "ask")
