"""Forgetting a person, as steps: what others wrote of them first, what is their own last.

So a process that is killed in between leaves enough for the next one to find all the rest.
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.jobs import Origin, Platform
from shared.ledger import answer_actions, documents, keys, privacy
from shared.ledger.calls import Call, Steps, text_of
from shared.ledger.forgetting import scan
from shared.ledger.forgetting.quotes import Words
from shared.ledger.forgetting.scan import ConversationPlace, StoredJob, place_of
from shared.ledger.lua import forgetting as scripts
from shared.ledger.privacy import Forgotten


def open_jobs(origin: Origin) -> Steps[tuple[str, ...]]:
    """The person's questions that are not answered yet: they are to be withdrawn first."""
    traces = yield scan.of_person(origin.asker)
    found: list[str] = []
    for ids in scan.in_parts(traces.jobs):
        jobs = yield scan.read_jobs(ids)
        found += [job.id for job in jobs if job.is_open]
    return tuple(found)


def forget(origin: Origin, at_ms: int, *, is_last: bool = False) -> Steps[Forgotten]:
    """Delete all that is kept of the origin's person in the origin's workspace.

    Args:
        origin: the person and the workspace.
        at_ms: when they asked; questions that were accepted later stay.
        is_last: whether other people's open questions that hold their words are withdrawn, too.
    """
    search = _Search(origin, at_ms)
    yield from search.read_own()
    yield from search.scan_jobs()
    yield from search.scan_conversations()
    return (yield from _delete(search, is_last=is_last))


@dataclass(slots=True)
class _Search:
    """What is found of one person."""

    origin: Origin
    at_ms: int
    words: Words = field(default_factory=Words)
    own: dict[str, StoredJob] = field(default_factory=dict)
    quoting: dict[str, StoredJob] = field(default_factory=dict)
    """Other people's jobs that hold the person's words."""
    asked: tuple[str, ...] = ()
    """Conversations that are known to be theirs."""
    conversations: set[str] = field(default_factory=set)
    names: list[str] = field(default_factory=list)
    """Keys to delete."""
    num_turns: int = 0

    def read_own(self) -> Steps[None]:
        """Read what is known to be theirs."""
        traces = yield scan.of_person(self.origin.asker)
        self.asked = traces.conversations
        self.conversations.update(self.asked)
        for ids in scan.in_parts(traces.jobs):
            self._sort((yield scan.read_jobs(ids)))
        for names in scan.in_parts(map(keys.transcript, self.asked)):
            for turns in (yield scan.turns(names)):
                self.words.add(
                    turn.text
                    for turn in map(_Remembered.read, turns)
                    if turn.role == "user" and self._is_theirs(turn)
                )

    def scan_jobs(self) -> Steps[None]:
        """Find their jobs that no list has, and those of others that quote them."""
        cursor = scan.START
        others: list[StoredJob] = []
        while True:
            found = yield scan.find_jobs(cursor, self.origin.team)
            others += self._sort(found.jobs)
            cursor = found.next_cursor
            if cursor == scan.START:
                break
        # Only now all of their words are known.
        for job in others:
            if any(map(self.words.are_in, job.texts)):
                self.quoting[job.id] = job

    def scan_conversations(self) -> Steps[None]:
        """Find what conversations keep: turns, speakers, marks of answers."""
        cursor = scan.START
        while True:
            found = yield scan.find(cursor, f"{keys.PREFIX}*")
            yield from self._look_at(found.names)
            cursor = found.next_cursor
            if cursor == scan.START:
                break
        # Only now all of their conversations are known.
        while True:
            found = yield scan.find(cursor, f"{scan.ANSWER}{_escaped(self.origin.tenant)}:*")
            yield from self._look_at_answers(found.names)
            cursor = found.next_cursor
            if cursor == scan.START:
                return

    def _look_at(self, names: Iterable[str]) -> Steps[None]:
        starts = {kind: f"{kind}{self.origin.tenant}:" for kind in KINDS}
        by_kind = {kind: [n for n in names if n.startswith(s)] for kind, s in starts.items()}
        for some in scan.in_parts(by_kind[scan.TRANSCRIPT]):
            for name, turns in zip(some, (yield scan.turns(some)), strict=True):
                yield from self._read_transcript(name, turns)
        for some in scan.in_parts(by_kind[scan.TALK]):
            for name, spoken in zip(some, (yield scan.turns(some)), strict=True):
                if theirs := [one for one in spoken if one.endswith(f"|{self.origin.user}")]:
                    yield scan.take_out(name, theirs)

    def _look_at_answers(self, names: Iterable[str]) -> Steps[None]:
        """Find which answers are of their conversations."""
        known = [place_of(conversation) for conversation in self.conversations]
        places = {(place.channel, place.thread) for place in known}
        # A thread of Discord is a channel, and its answers name no other thread.
        places |= {(thread, "") for _, thread in places if thread}
        direct = {place.channel for place in known if place.is_direct}
        for some in scan.in_parts(names):
            for name, thread in zip(some, (yield scan.values(some)), strict=True):
                channel = place_of(name.removeprefix(scan.ANSWER)).channel
                if (channel, thread) in places or channel in direct:
                    self.names.append(name)

    def _read_transcript(self, name: str, items: list[str]) -> Steps[None]:
        conversation = name.removeprefix(scan.TRANSCRIPT)
        if conversation in self.conversations:
            return
        turns = [_Remembered.read(item) for item in items]
        if any(map(self._is_theirs, turns)):
            self.conversations.add(conversation)
            return
        jobs = {turn.job for turn in turns if self._is_quoting(turn)}
        gone = [turn.item for turn in turns if turn.job in jobs - {""} or self._is_quoting(turn)]
        if gone:
            self.num_turns += yield scan.take_out(name, dict.fromkeys(gone))

    def _is_theirs(self, turn: "_Remembered") -> bool:
        return turn.asker == self.origin.user or turn.job in self.own

    def _is_quoting(self, turn: "_Remembered") -> bool:
        is_known = self.origin.user in turn.people or turn.job in self.quoting
        return is_known or self.words.are_in(turn.text)

    def _sort(self, jobs: Iterable[StoredJob]) -> list[StoredJob]:
        """Keep their own jobs, and those that are known to quote them; the others."""
        others = []
        for job in jobs:
            if job.tenant != self.origin.tenant or job.accepted_at_ms > self.at_ms:
                continue
            if job.origin.get("user") == self.origin.user:
                self.own[job.id] = job
                self.conversations.add(job.conversation)
                self.words.add(job.own_texts)
            elif self.origin.user in job.quoted:
                self.quoting[job.id] = job
            elif job.id not in self.own:
                others.append(job)
        return others


KINDS = (scan.TRANSCRIPT, scan.TALK)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A turn of a conversation, of this version or another."""

    item: str
    role: str = ""
    text: str = ""
    job: str = ""
    people: tuple[str, ...] = ()

    @property
    def asker(self) -> str:
        """Who asked; empty if an earlier version wrote it."""
        return self.people[0] if self.people else ""

    @classmethod
    def read(cls, item: str) -> "_Remembered":
        """Read one."""
        try:
            body = json.loads(item)["body"]
            text, job = str(body.get("text") or ""), str(body.get("job") or "")
            return cls(item, str(body.get("role")), text, job, tuple(body.get("people") or ()))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(item)


def _escaped(name: str) -> str:
    return name.translate(privacy.SPECIAL)


def _delete(search: _Search, *, is_last: bool) -> Steps[Forgotten]:
    """Delete what was found: other people's first."""
    origin = search.origin
    left = yield from _blank_quoting(search, is_last=is_last)
    num_documents = yield from forget_taught(origin.asker)
    num_ratings = yield from _forget_ratings(origin)
    yield scan.rewrite_audit(origin.tenant, origin.user)
    yield from _forget_places(search.conversations)
    num_conversations = 0
    for some in scan.in_parts(map(keys.transcript, search.conversations)):
        num_conversations += yield scan.delete(some)
    marks = [of(name) for name in search.conversations for of in MARKS]
    for some in scan.in_parts([*search.names, *marks]):
        yield scan.delete(some)
    num_questions, num_stopped = 0, 0
    for job in search.own.values():
        num_questions += job.has_words
        if job.is_open:
            yield answer_actions.withdraw(job.id)
            num_stopped += 1
        yield scan.blank(job, origin.asker)
    num_verdicts = yield _forget_person(origin, search.asked)
    return Forgotten(
        conversations=num_conversations,
        questions=num_questions,
        verdicts=num_verdicts,
        stopped=num_stopped,
        ratings=num_ratings,
        documents=num_documents,
        quotations=search.num_turns + len(search.quoting) - len(left),
        left=left,
    )


MARKS = (keys.presence, keys.muted, keys.talk)


def _blank_quoting(search: _Search, *, is_last: bool) -> Steps[tuple[str, ...]]:
    """Take the words out of other people's jobs; returns those that are open yet."""
    left = []
    for job in search.quoting.values():
        if job.is_open and is_last:
            yield answer_actions.withdraw(job.id)
        if not (yield scan.blank(job, "")):
            left.append(job.id)
    return tuple(left)


def finish(job_ids: Iterable[str], *, is_last: bool) -> Steps[tuple[str, ...]]:
    """Take the words out of other people's jobs that were open; returns those that still are.

    Their turns are taken out of the conversations, too.
    """
    left: list[str] = []
    for job in (yield scan.read_jobs(tuple(job_ids))):
        if job.is_open and is_last:
            yield answer_actions.withdraw(job.id)
        if not (yield scan.blank(job, "")):
            left.append(job.id)
            continue
        name = keys.transcript(job.conversation)
        ((*items,),) = yield scan.turns((name,))
        turns = [_Remembered.read(item) for item in items]
        if gone := [turn.item for turn in turns if turn.job == job.id]:
            yield scan.take_out(name, gone)
    return tuple(left)


def forget_taught(person: str) -> Steps[int]:
    """Delete the documents that were learned from a person, with passages and vectors."""
    theirs: dict[str, str] = {}
    others: set[str] = set()
    cursor = scan.START
    while True:
        words = yield Call(scripts.TAUGHT, (cursor,), lambda raw: [text_of(word) for word in raw])
        cursor, *pairs = words
        for document, record in zip(pairs[::2], pairs[1::2], strict=True):
            known = json.loads(record)
            if person in known["people"]:
                theirs[document] = known["lesson"]
            else:
                others.add(known["lesson"])
        if cursor == scan.START:
            break
    num = 0
    for document in theirs:
        num += yield documents.drop((document,))
    for some in scan.in_parts(set(theirs.values()) - others - {""}):
        yield Call(scripts.UNLEARN, tuple(some), scan.number)
    return num


def _forget_ratings(origin: Origin) -> Steps[int]:
    num, cursor = 0, privacy.START
    while True:
        found = yield privacy.rated_channels(origin, cursor)
        for channel in found.channels:
            start = privacy.FIRST
            while start:
                page = yield privacy.forget_ratings(origin, channel, start)
                num, start = num + len(page.ratings), page.next_start
        cursor = found.next_cursor
        if cursor == privacy.START:
            return num


def _forget_places(conversations: Iterable[str]) -> Steps[None]:
    """Delete what is kept of direct messages, which are one person's places."""
    places = {place for place in map(place_of, conversations) if place.is_direct}
    for platform in sorted({place.platform for place in places}):
        of_platform = [place for place in places if place.platform == platform]
        marks = sorted({place.mark for place in of_platform})
        threads = sorted({_thread_name(place) for place in of_platform})
        scopes = sorted({f"{place.tenant}|{place.channel}" for place in of_platform})
        lead: tuple[str | int, ...] = (keys.seen(platform), keys.threads(platform), len(marks))
        yield Call(scripts.FORGET_PLACES, (*lead, *marks, *threads, "|", *scopes), scan.number)


def _thread_name(place: ConversationPlace) -> str:
    return f"{place.channel}:{place.thread}"


def _forget_person(origin: Origin, asked: Iterable[str]) -> Call[int]:
    person = origin.asker
    # On Slack a person is one of a workspace; on Discord of all servers.
    told = person if origin.platform is Platform.SLACK else f"{origin.platform}:{origin.user}"
    lead = (
        *(person, keys.feedback(person), keys.told(person), keys.bucket("user", person)),
        *(keys.access_told(f"{told}:{kind}") for kind in keys.TOLD_KINDS),
    )
    return Call(scripts.FORGET_PERSON, (*lead, *asked), scan.number)


def together(first: Forgotten, second: Forgotten) -> Forgotten:
    """The sums of two."""
    return Forgotten(
        **{
            part.name: getattr(first, part.name) + getattr(second, part.name)
            for part in dataclasses.fields(Forgotten)
        }
    )
