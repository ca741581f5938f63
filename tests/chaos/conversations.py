"""What was asked where, and what stands below it: the state that driver and platforms share."""

from dataclasses import dataclass, field

from tests.chaos.checker import Post, read_text


@dataclass(slots=True, eq=False)
class Spot:
    """A conversation that people have with the bot: one thread, one chain of replies, one direct
    message channel."""

    platform: str
    channel: str
    person: str
    is_direct: bool = False
    root: str = ""
    """The message that began it; empty for direct messages."""
    questions: list["Question"] = field(default_factory=list)

    def last_answer(self) -> str:
        """The bot's latest message that stands here; empty if there is none."""
        posts = [post for question in self.questions for post in question.posts]
        return next((post.id for post in reversed(posts) if not post.is_deleted), "")

    def is_idle(self, since_s: float) -> bool:
        """Whether everything asked here has had its final answer since this time."""
        ends_s = (question.settled_at_s for question in self.questions)
        return all(end_s is not None and end_s <= since_s for end_s in ends_s)


@dataclass(slots=True, eq=False)
class Question:
    """One message to the bot."""

    marker: str
    text: str
    """Without the mention, as a model reads it."""
    spot: Spot
    sent_at_s: float
    job_id: str = ""
    message: str = ""
    posts: list[Post] = field(default_factory=list)
    """As they stood when last looked at."""
    settled_at_s: float | None = None
    """When a final text stood there for the first time."""

    @property
    def shown(self) -> str:
        """What of the answer itself stands there."""
        visible = [post for post in self.posts if not post.is_deleted]
        return "".join(read_text(post.texts[-1]).answer for post in visible)

    def is_final(self, ending: str) -> bool:
        """Whether a final text stands there.

        Args:
            ending: what stands below a whole answer.
        """
        visible = [post for post in self.posts if not post.is_deleted]
        return bool(visible) and read_text(visible[-1].texts[-1]).is_final(ending)
