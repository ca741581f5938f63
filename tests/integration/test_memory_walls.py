"""Nothing said in one place is ever part of a prompt in another: many random questions."""

import itertools
import random

from shared.jobs import Job, Kind, Origin, Platform, Turn, make_job
from shared.ledger import lifecycle
from shared.ledger.lifecycle import ConversationMemory
from shared.replies import Done
from tests.integration.ledger_steps import LIMITS, claim, lease_of
from worker.prompts.chat import PromptInput, lay_out_plain
from worker.store import BlockingStore

NUM_QUESTIONS = 400
SEED = 20261124
# Ids that differ in one place only, and ids that would meet if they were joined carelessly.
PLACES = [
    (Platform.SLACK, "T1", "C1", "1.0"),
    (Platform.SLACK, "T1", "C1", "2.0"),
    (Platform.SLACK, "T1", "C1", ""),
    (Platform.SLACK, "T1", "C2", "1.0"),
    (Platform.SLACK, "T2", "C1", "1.0"),
    (Platform.DISCORD, "T1", "C1", "1.0"),
    (Platform.DISCORD, "@me", "C1", ""),
    (Platform.DISCORD, "@me", "C2", ""),
]


def test_no_lease_ever_holds_what_was_said_elsewhere(store: BlockingStore) -> None:
    chance = random.Random(SEED)
    canaries = [f"CANARY{number}" for number in range(len(PLACES))]
    asked = [0] * len(PLACES)
    for number in range(NUM_QUESTIONS):
        place = chance.randrange(len(PLACES))
        job = question(place, number, canaries[place])
        store.run(lifecycle.accept(job, LIMITS))

        lease = lease_of(claim(store, job, f"t{number}"))

        remembered = lay_out_plain("system", [*lease.history, Turn("user", lease.job.text)])
        foreign = [canary for canary in canaries if canary != canaries[place]]
        assert not any(canary in remembered for canary in foreign)
        assert (canaries[place] in "".join(turn.text for turn in lease.history)) == (
            asked[place] > 0
        )
        asked[place] += 1
        turns = (Turn("user", job.text), Turn("assistant", f"noted {canaries[place]}"))
        memory = ConversationMemory(turns, max_turns=6, retention_ms=LIMITS.retention_ms)
        store.run(lifecycle.finish(job.id, f"t{number}", Done("noted"), memory))
    assert min(asked) > 0


def question(place: int, number: int, canary: str) -> Job:
    platform, team, channel, thread = PLACES[place]
    origin = Origin(platform, team, channel, thread, f"{number}.7", "U1")
    return make_job(Kind.CHAT, origin, f"my secret is {canary}")


def test_places_that_differ_have_conversations_of_their_own() -> None:
    names = {question(place, 1, "").origin.conversation for place in range(len(PLACES))}
    ids = {question(place, 1, "").id for place in range(len(PLACES))}

    assert len(names) == len(PLACES)
    # a thread is not part of a message's name: the same message is the same job
    assert len(ids) == len({place[:3] for place in PLACES})


def test_a_question_is_made_of_its_own_lease_alone() -> None:
    fields = set(itertools.chain(PromptInput.__dataclass_fields__))

    assert fields == {"system", "history", "text", "shown", "pictures"}
