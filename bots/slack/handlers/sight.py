"""What is read of one workspace."""

from dataclasses import dataclass

from bots.slack.handlers.history import SlackGatherer
from bots.slack.handlers.people import People
from bots.slack.sdk.client import Account
from bots.slack.sdk.history import History
from bots.store import Store


@dataclass(frozen=True, slots=True)
class Sight:
    """What is read of one workspace, by everybody with the same memory."""

    history: History
    people: People
    gatherer: SlackGatherer


def sight_of(account: Account, store: Store) -> Sight:
    """What reads a workspace."""
    history = History(account.access)
    people = People(history)
    return Sight(history, people, SlackGatherer(history, people, store, account.me))
