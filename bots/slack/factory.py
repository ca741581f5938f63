"""Builds Slack's adapter: for the workspace of a token, or for all that install the app."""

from dataclasses import dataclass

from bots.adapter import Link, Wiring
from bots.delivery.rate_budget import SharedRateBudget
from bots.incoming.read_marks import ReadMarks
from bots.slack.accounts import Accounts
from bots.slack.adapter import Hindsight, SlackAdapter
from bots.slack.handlers.history import ChannelAccess
from bots.slack.installed_workspaces import InstalledWorkspaces, Sights
from bots.slack.parse.automation import SlackAutomationRules
from bots.slack.sdk.app import found_by, known_as
from bots.slack.sdk.client import Account, AppCredentials, SlackAccess
from bots.slack.sdk.install import InstallFlow
from bots.slack.sdk.installations import RedisInstallations, RedisStates
from bots.slack.sdk.multi_surface import MultiSurface
from bots.slack.workspace import Workspace
from bots.slack.workspaces import OneWorkspace
from bots.token_encryption import TokenCipher
from shared.jobs import Platform


def one_workspace(
    account: Account, link: Link, sight: ChannelAccess, automation_rules: SlackAutomationRules
) -> SlackAdapter:
    """The adapter of the workspace that a token belongs to."""
    store = link.reception.store
    marks = ReadMarks(store, Platform.SLACK)
    workspace = Workspace(account, link, sight, automation_rules, marks)
    hindsight = Hindsight(store, marks, automation_rules.lookback_s)
    forgetter = link.reception.forgetter
    forgetter.note_served(f"{Platform.SLACK}:{account.me.team_id}")
    workspaces = OneWorkspace(workspace)
    return SlackAdapter(account.access, known_as(account), workspaces, hindsight, forgetter)


@dataclass(frozen=True, slots=True)
class App:
    """An app that workspaces install."""

    access: SlackAccess
    """Its bot token is not used."""
    credentials: AppCredentials
    cipher: TokenCipher


async def installed_workspaces(
    app: App, wiring: Wiring, automation_rules: SlackAutomationRules
) -> tuple[SlackAdapter, Link, InstallFlow]:
    """The adapter of all workspaces that have installed the app, and the pages to install it.

    Raises:
        redis.RedisError, TimeoutError, OSError: Redis is away.
    """
    store = wiring.store

    def may_enter(team: str) -> bool:
        gate = link.access_gate
        return gate is None or gate.may_enter(Platform.SLACK, team)

    installations = RedisInstallations(store, app.cipher, may_enter)
    await installations.renew()
    accounts = Accounts(installations, app.access)
    sights = Sights(accounts, store)
    surfaces = MultiSurface(app.access, SharedRateBudget(store), accounts.find, wiring.max_parts)
    link = Link(wiring, surfaces, Platform.SLACK, sights, sights)
    marks = ReadMarks(store, Platform.SLACK)

    def make(account: Account) -> Workspace:
        link.reception.forgetter.note_served(f"{Platform.SLACK}:{account.me.team_id}")
        return Workspace(account, link, sights.of(account), automation_rules, marks)

    workspaces = InstalledWorkspaces(accounts, make)
    hindsight = Hindsight(store, marks, automation_rules.lookback_s)
    adapter = SlackAdapter(
        app.access, found_by(accounts.find), workspaces, hindsight, link.reception.forgetter
    )
    return adapter, link, InstallFlow(app.credentials, installations, RedisStates(store))
