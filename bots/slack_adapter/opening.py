"""Slack's adapter put together: for the workspace of a token."""

from bots.marks import Marks
from bots.reception import Reception
from bots.slack_adapter.adapter import Hindsight, SlackAdapter
from bots.slack_adapter.customs import Customs
from bots.slack_adapter.library.app import known_as
from bots.slack_adapter.library.web import Account
from bots.slack_adapter.workspace import Sight, Workspace
from bots.slack_adapter.workspaces import OneWorkspace
from shared.jobs import Platform


def one_workspace(
    account: Account, reception: Reception, sight: Sight, customs: Customs
) -> SlackAdapter:
    """The adapter of the workspace that a token belongs to."""
    marks = Marks(reception.store, Platform.SLACK)
    workspace = Workspace(account, reception, sight, customs, marks)
    hindsight = Hindsight(reception.store, marks, customs.lookback_s)
    return SlackAdapter(account.access, known_as(account), OneWorkspace(workspace), hindsight)
