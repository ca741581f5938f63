"""Settings and forget-me in discord.py: buttons that open forms, forms, and a confirmation."""

import re
from typing import Any, Self

import discord
from discord import ui

from bots.discord.sdk.client import NOBODY
from bots.discord.sdk.interactions import (
    AWAY,
    Interaction,
    acknowledge,
    caller_of,
    log,
    may_ask,
    say,
    say_instead,
)
from bots.discord.views import settings as forms
from bots.discord.views.settings import FORGET_QUESTION, Field, SettingsPage, Sheet

CHANNEL, SERVER = "channel", "server"
SCOPES = {CHANNEL: "This channel", SERVER: "Server"}
FORM_OPEN_S = 15 * 60.0
"""A form left open for so long has to be opened again."""
OPENER = re.compile(
    rf"parley:settings:(?P<scope>{CHANNEL}|{SERVER}):(?P<page>{'|'.join(SettingsPage)})"
)
FORGET = "parley:forget-me"
MAX_CHOSEN = 25
"""The most roles that one of Discord's menus allows to choose."""


def _row_of(scope: str, page: SettingsPage) -> int:
    """A row holds five buttons."""
    if scope == CHANNEL:
        return 0
    return 1 if page in forms.OF_CHANNELS else 2


class Opener(ui.DynamicItem[ui.Button[ui.View]], template=OPENER):
    """A button that opens a form of settings."""

    def __init__(self, scope: str, page: SettingsPage) -> None:
        super().__init__(
            ui.Button(
                label=f"{SCOPES[scope]}: {forms.TITLES[page]}",
                custom_id=f"parley:settings:{scope}:{page}",
                row=_row_of(scope, page),
            )
        )
        self._scope = scope
        self._page = page

    @classmethod
    async def from_custom_id(  # type: ignore[override]  # ours is always this client
        cls, interaction: Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Build the button from a press."""
        del interaction, item
        return cls(match["scope"], SettingsPage(match["page"]))

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]  # ours is always this client
        """Open the form, or say why not."""
        if not await may_ask(interaction, of_operator_alone=True):
            return
        account_handlers, caller = (
            interaction.client.event_handler.account_handlers,
            caller_of(interaction),
        )
        sheet = await account_handlers.open(caller, self._page, is_for_server=self._scope == SERVER)
        try:
            if isinstance(sheet, str):
                await say(interaction, sheet)
            else:
                await interaction.response.send_modal(SettingsModal(sheet, SCOPES[self._scope]))
        except AWAY as error:
            log.warning("press_not_answered", error=type(error).__name__)


class SettingsModal(ui.Modal):
    """A form of settings."""

    def __init__(self, sheet: Sheet, scope: str) -> None:
        super().__init__(title=f"{scope}: {forms.TITLES[sheet.page]}", timeout=FORM_OPEN_S)
        self._sheet = sheet
        self._inputs: dict[
            str,
            ui.TextInput[SettingsModal] | ui.Select[SettingsModal] | ui.RoleSelect[SettingsModal],
        ] = {}
        for field in forms.fields_of(sheet.page, sheet.stored.preferences):
            made = _input(field)
            self._inputs[field.name] = made
            self.add_item(
                ui.Label(text=field.label, description=field.hint or None, component=made)
            )

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]  # ours is always this client
        """Save the submitted values."""
        if not await may_ask(interaction, of_operator_alone=True):
            return
        if not await acknowledge(interaction, is_private=True):
            return
        values = {name: _given(each) for name, each in self._inputs.items()}
        account_handlers = interaction.client.event_handler.account_handlers
        await say_instead(
            interaction, await account_handlers.save(caller_of(interaction), self._sheet, values)
        )


_Input = ui.TextInput[SettingsModal] | ui.Select[SettingsModal] | ui.RoleSelect[SettingsModal]


def _input(field: Field) -> _Input:
    if field.is_of_roles:
        return ui.RoleSelect(custom_id=field.name, max_values=MAX_CHOSEN, required=True)
    return _choice(field) if field.choices else _text(field)


def _given(
    filled: _Input,
) -> list[str]:
    """The value of a field."""
    if isinstance(filled, ui.RoleSelect):
        return [str(role.id) for role in filled.values]
    return filled.values if isinstance(filled, ui.Select) else [filled.value]


def _text(field: Field) -> "ui.TextInput[SettingsModal]":
    is_long = field.max_chars > forms.MAX_SHOWN_CHARS
    return ui.TextInput(
        custom_id=field.name,
        style=discord.TextStyle.paragraph if is_long else discord.TextStyle.short,
        default=field.values[0] if field.values else None,
        required=False,
        max_length=field.max_chars,
    )


def _choice(field: Field) -> "ui.Select[SettingsModal]":
    options = [
        discord.SelectOption(value=value, label=label, default=value in field.values)
        for value, label in field.choices
    ]
    return ui.Select(
        custom_id=field.name,
        options=options,
        min_values=0,
        max_values=len(options) if field.takes_many else 1,
        required=False,
    )


class ForgetButton(ui.DynamicItem[ui.Button[ui.View]], template=FORGET):
    """A button that deletes all data about the person who presses it."""

    def __init__(self) -> None:
        style = discord.ButtonStyle.danger
        super().__init__(ui.Button(label="Delete it", style=style, custom_id=FORGET))

    @classmethod
    async def from_custom_id(  # type: ignore[override]  # ours is always this client
        cls, interaction: Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Build the button from a press."""
        del interaction, item, match
        return cls()

    async def callback(self, interaction: Interaction) -> None:  # type: ignore[override]  # ours is always this client
        """Delete the data, and replace the question with what was deleted."""
        try:
            await interaction.response.defer()
            said = await interaction.client.event_handler.account_handlers.forget(
                caller_of(interaction)
            )
            await interaction.edit_original_response(
                content=said, view=None, allowed_mentions=NOBODY
            )
        except AWAY as error:
            log.warning("press_not_answered", error=type(error).__name__)


async def show_settings(interaction: Interaction) -> None:
    """Show the preferences, with buttons for people who may change them."""
    if not await acknowledge(interaction, is_private=True):
        return
    account_handlers, caller = (
        interaction.client.event_handler.account_handlers,
        caller_of(interaction),
    )
    view = ui.View(timeout=None)
    for scope in SCOPES:
        if account_handlers.may_edit(caller, is_for_server=scope == SERVER):
            for page in SettingsPage if scope == SERVER else forms.OF_CHANNELS:
                view.add_item(Opener(scope, page))
    await say_instead(interaction, await account_handlers.settings(caller), view)


async def ask_to_forget(interaction: Interaction) -> None:
    """Ask for confirmation."""
    view = ui.View(timeout=None)
    view.add_item(ForgetButton())
    try:
        await interaction.response.send_message(
            FORGET_QUESTION, view=view, ephemeral=True, allowed_mentions=NOBODY
        )
    except AWAY as error:
        log.warning("command_not_answered", error=type(error).__name__)


ITEMS = (Opener, ForgetButton)
