"""Acknowledges interactions, hands them on, and replies where no answer follows.

Discord waits three seconds for a response, so an interaction is acknowledged before it is handled.
"""

from collections.abc import Awaitable, Callable

import aiohttp
import discord

from bots.access.request import AccessHints, AccessRequest
from bots.discord.parse.payloads import Caller, DiscordPlace, origin_of
from bots.discord.parse.requests import TaskRequest, UserRequest
from bots.discord.sdk.client import NOBODY, Client
from bots.discord.sdk.convert import place_of, roles_of
from shared.logs import get_logger

log = get_logger(__name__)

Interaction = discord.Interaction[Client]
AWAY = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError)
"""What discord.py raises if Discord does not accept a response."""
ACKNOWLEDGED_CODE = 40060
TOO_LATE_CODE = 10062
GUILD_INSTALL, USER_INSTALL = 0, 1
"""Keys of who has installed the app: docs.discord.com, Application Integration Types."""


async def take(
    interaction: Interaction, name: str, task_request: TaskRequest, *, is_private: bool
) -> None:
    """Acknowledge a request, and hand it on."""
    if task_request.sentence:
        await say(interaction, task_request.sentence)
        return
    if not await acknowledge(interaction, is_private=is_private):
        return
    act = UserRequest(
        place_of_call(interaction),
        interaction.id,
        interaction.user.id,
        name,
        interaction.token,
        is_private,
        roles_of(interaction.user),
        request_of(interaction).hints,
    )
    if sentence := await interaction.client.event_handler.on_command(act, task_request):
        await say_instead(interaction, sentence)


async def may_ask(interaction: Interaction, *, of_operator_alone: bool = False) -> bool:
    """Whether the person may ask there; tells one who may not, in place of any other response."""
    handler = interaction.client.event_handler
    sentence = await handler.refusal(request_of(interaction), of_operator_alone=of_operator_alone)
    if sentence is None:
        return True
    if interaction.type is discord.InteractionType.autocomplete:
        return False
    response = interaction.response
    try:
        if sentence:
            await response.send_message(sentence, ephemeral=True, allowed_mentions=NOBODY)
        elif interaction.type is discord.InteractionType.component:
            await response.defer()
        else:  # Discord would say that we do not respond
            await response.defer(ephemeral=True, thinking=True)
            await interaction.delete_original_response()
    except AWAY as error:
        log.warning("command_not_answered", error=type(error).__name__)
    return False


def request_of(interaction: Interaction) -> AccessRequest:
    """The person and the place, as a request for access."""
    user = interaction.user
    return AccessRequest(
        origin_of(place_of_call(interaction), interaction.id, user.id),
        frozenset(map(str, roles_of(user))),
        hints=AccessHints(
            knows_roles=isinstance(user, discord.Member),
            is_user_install=_is_user_install(interaction),
            locale=interaction.locale.value,
        ),
    )


def _is_user_install(interaction: Interaction) -> bool:
    """Whether the person alone has installed the app, and not the server in which it is used.

    docs.discord.com, Interactions, Authorizing Integration Owners Object.
    """
    owners = interaction._integration_owners  # noqa: SLF001 - discord.py tells only of servers
    is_guild = GUILD_INSTALL in owners
    if interaction.guild_id is not None:
        is_ours = interaction.client.get_guild(interaction.guild_id) is not None
        return not is_guild and (USER_INSTALL in owners or not is_ours)
    if interaction.context.private_channel:
        return True  # between people, where we are not
    return not is_guild and USER_INSTALL in owners


async def tell(interaction: Interaction, find: Callable[[Caller], Awaitable[str]]) -> None:
    """Acknowledge a request, and tell only the asker the outcome."""
    if await acknowledge(interaction, is_private=True):
        await say_instead(interaction, await find(caller_of(interaction)))


async def acknowledge(interaction: Interaction, *, is_private: bool) -> bool:
    """Have Discord show that we are thinking; False if it has told the person that we are not.

    In doubt the request is accepted: its answer is delivered in another way if the ticket fails.
    """
    try:
        await interaction.response.defer(ephemeral=is_private, thinking=True)
    except discord.HTTPException as error:
        if error.code == TOO_LATE_CODE:
            log.warning("command_too_late")
            return False
        if error.code != ACKNOWLEDGED_CODE:  # another process of ours was quicker, or is gone
            log.warning("command_not_acknowledged", status=error.status)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log.warning("command_not_acknowledged", error=type(error).__name__)
    return True


async def say(interaction: Interaction, sentence: str) -> None:
    """A sentence for the person who called, in place of an answer."""
    if interaction.response.is_done():
        await interaction.edit_original_response(content=sentence, allowed_mentions=NOBODY)
    else:
        await interaction.response.send_message(sentence, ephemeral=True, allowed_mentions=NOBODY)


async def say_instead(
    interaction: Interaction, sentence: str, view: discord.ui.View | None = None
) -> None:
    """Replace Discord's "thinking" with a sentence, and buttons below it."""
    try:
        await interaction.edit_original_response(
            content=sentence, view=view, allowed_mentions=NOBODY
        )
    except AWAY as error:
        log.warning("command_not_answered", error=type(error).__name__)


def caller_of(interaction: Interaction) -> Caller:
    """The person who called."""
    rights = interaction.permissions
    return Caller(
        place_of_call(interaction),
        interaction.user.id,
        roles_of(interaction.user),
        manages_channel=rights.manage_channels,
        manages_server=rights.manage_guild,
    )


def place_of_call(interaction: Interaction) -> DiscordPlace:
    """The place of a call."""
    if interaction.channel is not None:
        return place_of(interaction.channel)
    return DiscordPlace(interaction.guild_id, interaction.channel_id or 0)
