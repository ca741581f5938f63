"""What is sent to a server, and what is learned from its refusals."""

from typing import Any

import httpx2
import openai
import pytest

from shared.jobs import Effort
from worker.engine.protocol import Request, Sampling, Thinking
from worker.engine.remote.dialect import ServerDialect
from worker.engine.remote.server import GO_ON, Server
from worker.engine.remote.tokenizer import ServerPrompt

SYSTEM = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": "Why?"}
ASKED = ServerPrompt((SYSTEM, QUESTION), "")
ALL = Sampling(0.7, 0.9, 20, 0.1, 1.1, 5)


def dialect(owner: str = "") -> ServerDialect:
    return ServerDialect(Server("http://localhost/v1", "none", "m", 8192, owner))


def request(sampling: Sampling = ALL, effort: Effort = Effort.AUTO, *pictures: str) -> Request:
    return Request("1", (1,), 50, sampling, pictures=pictures, thinking=Thinking(effort, 0))


def refusal(said: str, status: int = 400) -> openai.APIStatusError:
    response = httpx2.Response(status, request=httpx2.Request("POST", "http://localhost"))
    return openai.APIStatusError(said, response=response, body={"message": said})


def names(body: dict[str, Any]) -> set[str]:
    return set(body) - {"model", "stream", "messages"}


@pytest.mark.parametrize(
    ("owner", "penalty", "more"),
    [
        ("", "repetition_penalty", set()),
        ("vllm", "repetition_penalty", {"cache_salt"}),
        ("sglang", "repetition_penalty", {"cache_salt"}),
        ("llamacpp", "repeat_penalty", set()),
    ],
)
def test_a_server_is_told_what_was_set_by_its_own_names(
    owner: str, penalty: str, more: set[str]
) -> None:
    body = dialect(owner).words(request(), ASKED, "s", 50)

    assert body["max_tokens"] == 50
    assert names(body) == {
        *("max_tokens", "temperature", "top_p", "top_k", "min_p", "seed", penalty),
        *more,
    }


def test_what_nobody_set_is_left_to_the_server() -> None:
    body = dialect().words(request(Sampling()), ASKED, "s", 50)

    assert names(body) == {"max_tokens"}


@pytest.mark.parametrize(
    ("owner", "effort", "said"),
    [
        ("", Effort.AUTO, {}),
        ("vllm", Effort.AUTO, {}),
        ("", Effort.ON, {}),
        ("", Effort.OFF, {"reasoning_effort": "low"}),
        ("", Effort.HARD, {"reasoning_effort": "high"}),
        ("library", Effort.OFF, {"reasoning_effort": "none"}),
        ("vllm", Effort.ON, {"chat_template_kwargs": {"enable_thinking": True}}),
        (
            "llamacpp",
            Effort.OFF,
            {"chat_template_kwargs": {"enable_thinking": False}, "reasoning_effort": "low"},
        ),
    ],
)
def test_thinking_is_asked_for_in_the_servers_way(
    owner: str, effort: Effort, said: dict[str, object]
) -> None:
    body = dialect(owner).words(request(Sampling(), effort), ASKED, "s", 50)

    assert {name: body[name] for name in names(body) - {"max_tokens", "cache_salt"}} == said


@pytest.mark.parametrize(
    ("said", "left_out"),
    [
        ("Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
        ("top_k: Extra inputs are not permitted", "top_k"),
        ("Unrecognized request argument supplied: seed", "seed"),
        ('[{"loc": ["body", "min_p"], "msg": "extra fields not permitted"}]', "min_p"),
        ("unknown field `repetition_penalty`", "repetition_penalty"),
    ],
)
def test_a_refused_parameter_is_left_out_from_then_on(said: str, left_out: str) -> None:
    spoken = dialect()
    before = spoken.words(request(), ASKED, "s", 50)

    assert spoken.adapt(before, refusal(said))

    after = spoken.words(request(), ASKED, "s", 50)
    assert names(before) - names(after) == {left_out}
    assert not spoken.adapt(after, refusal(said)), "it has learned that already"


def test_the_longest_answer_has_another_name_at_some() -> None:
    spoken = dialect()
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."

    assert spoken.adapt(spoken.words(request(), ASKED, "s", 50), refusal(said))

    body = spoken.words(request(), ASKED, "s", 50)
    assert body["max_completion_tokens"] == 50
    assert "max_tokens" not in body
    assert spoken.adapt(body, refusal("unknown parameter max_completion_tokens"))
    assert not {"max_tokens", "max_completion_tokens"} & set(spoken.words(request(), ASKED, "s", 9))


@pytest.mark.parametrize(
    "said",
    [
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "Only user and assistant roles are supported, got system",
        "jinja2.exceptions.TemplateError: 'system' is no role here",
    ],
)
def test_a_refused_system_turn_goes_before_the_question(said: str) -> None:
    spoken = dialect()

    assert spoken.adapt(spoken.words(request(), ASKED, "s", 50), refusal(said))

    seen = request(Sampling(), Effort.AUTO, "data:image/png;base64,AA==")
    assert spoken.words(request(), ASKED, "s", 50)["messages"] == [
        {"role": "user", "content": "Be brief.\n\nWhy?"}
    ]
    (message,) = spoken.words(seen, ASKED, "s", 50)["messages"]
    assert [part.get("text") for part in message["content"]] == ["Be brief.\n\n", "Why?", None]
    assert not spoken.adapt(spoken.words(request(), ASKED, "s", 50), refusal(said))


@pytest.mark.parametrize(
    ("said", "status"),
    [("Your account is suspended.", 400), ("temperature", 401), ("top_p", 500), ("", 403)],
)
def test_other_refusals_are_for_good(said: str, status: int) -> None:
    spoken = dialect()

    assert not spoken.adapt(spoken.words(request(), ASKED, "s", 50), refusal(said, status))


@pytest.mark.parametrize(
    ("owner", "roles", "is_told"),
    [
        ("", ["system", "user", "assistant", "user"], False),
        ("library", ["system", "user", "assistant"], False),
        ("llamacpp", ["system", "user", "assistant"], True),
        ("sglang", ["system", "user", "assistant"], True),
        ("vllm", ["system", "user", "assistant"], True),
    ],
)
def test_servers_are_told_in_their_own_way_to_go_on(
    owner: str, roles: list[str], *, is_told: bool
) -> None:
    body = dialect(owner).words(request(), ServerPrompt((SYSTEM, QUESTION), "Because"), "s", 50)

    assert [message["role"] for message in body["messages"]] == roles
    assert body["messages"][2]["content"] == "Because"
    assert (body["messages"][-1]["content"] == GO_ON) is (owner == "")
    assert ("continue_final_message" in body) is is_told
    assert body.get("add_generation_prompt", True) is not is_told


def test_a_text_without_a_conversation_is_a_prompt() -> None:
    body = dialect("vllm").words(request(), ServerPrompt((), "Once upon"), "s", 50)

    assert body["prompt"] == "Once upon"
    assert not {"messages", "continue_final_message", "chat_template_kwargs"} & set(body)
