"""Slack's adapter put together: for the workspace of a token."""

from bots.adapters import Link
from bots.marks import Marks
from bots.slack_adapter.adapter import Hindsight, SlackAdapter
from bots.slack_adapter.customs import Customs
from bots.slack_adapter.library.app import known_as
from bots.slack_adapter.library.web import Account
from bots.slack_adapter.sight import Sight
from bots.slack_adapter.workspace import Workspace
from bots.slack_adapter.workspaces import OneWorkspace
from shared.jobs import Platform


def one_workspace(account: Account, link: Link, sight: Sight, customs: Customs) -> SlackAdapter:
    """The adapter of the workspace that a token belongs to."""
    store = link.reception.store
    marks = Marks(store, Platform.SLACK)
    workspace = Workspace(account, link, sight, customs, marks)
    hindsight = Hindsight(store, marks, customs.lookback_s)
    return SlackAdapter(account.access, known_as(account), OneWorkspace(workspace), hindsight)
