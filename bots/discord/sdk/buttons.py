"""The buttons under an answer in discord.py: drawn, and handled when pressed.

They are recognised by their ids alone, so those of messages from before a restart work, too.
"""

import re
from typing import Any, Self

import discord
from discord import ui

from bots.delivery.buttons import AnswerButtons
from bots.discord.sdk.client import NOBODY
from bots.discord.sdk.convert import upload_of
from bots.discord.sdk.interactions import (
    ACKNOWLEDGED_CODE,
    AWAY,
    TOO_LATE_CODE,
    Interaction,
    log,
    may_ask,
)
from bots.discord.views.buttons import (
    BUTTONS,
    FACES,
    TEMPLATE,
    ButtonAction,
    DiscordButtonPress,
    id_of,
)


class ActionButton(ui.DynamicItem[ui.Button[ui.View]], template=TEMPLATE):
    """Stop, Retry, 👍, 👎 or Show thinking."""

    def __init__(self, button_action: ButtonAction, job: str) -> None:
        emoji, label = FACES[button_action]
        super().__init__(
            ui.Button(
                style=discord.ButtonStyle.secondary,
                emoji=emoji,
                label=label or None,
                custom_id=id_of(button_action, job),
            )
        )
        self._button_action = button_action
        self._job = job

    @classmethod
    async def from_custom_id(  # type: ignore[override]  # ours is always this client
        cls, interaction: Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Build the button from a press."""
        del interaction, item
        return cls(ButtonAction(match["verb"]), match["job"])

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]  # ours is always this client
        """Acknowledge the press, run its action, and tell the person the outcome, if any."""
        if not await may_ask(interaction) or not await _acknowledge(interaction):
            return
        is_moderator = interaction.permissions.manage_messages
        press = DiscordButtonPress(
            self._button_action, self._job, interaction.user.id, is_moderator
        )
        told = await interaction.client.event_handler.on_button(press)
        try:
            for piece in told:
                await interaction.followup.send(
                    piece.text,
                    files=[upload_of(piece.document)] if piece.document else [],
                    ephemeral=True,
                    allowed_mentions=NOBODY,
                )
        except AWAY as error:
            log.warning("press_not_answered", error=type(error).__name__)


async def _acknowledge(interaction: Interaction) -> bool:
    """Acknowledge a press; False if another process of ours runs the action.

    An action that must not run twice does not run if another process is known to run it, or if the
    person has been told that it failed.
    """
    try:
        await interaction.response.defer()
    except discord.HTTPException as error:
        log.warning("press_not_acknowledged", status=error.status, code=error.code)
        return error.code not in {ACKNOWLEDGED_CODE, TOO_LATE_CODE}
    except AWAY as error:
        log.warning("press_not_acknowledged", error=type(error).__name__)
    return True


def buttons_of(job: str, controls: AnswerButtons) -> ui.View | None:
    """The row of buttons under an answer; None if it has none."""
    answer_actions = BUTTONS[controls]
    if not answer_actions:
        return None
    view = ui.View(timeout=None)
    for button_action in answer_actions:
        view.add_item(ActionButton(button_action, job))
    return view
