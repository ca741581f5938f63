"""What is sent to each kind of server, and nothing besides."""

from typing import Any

import pytest

from shared.jobs import Effort
from worker.engine.protocol import Request, Sampling, Thinking
from worker.engine.remote.adaptation import UNADAPTED, Adaptation
from worker.engine.remote.request_body import GO_ON, CacheTerms, body_of
from worker.engine.remote.server import Server
from worker.engine.remote.tokenizer import ServerPrompt

AUTO = Thinking(Effort.AUTO)
QUESTION = ({"role": "system", "content": "Brief."}, {"role": "user", "content": "Why?"})
ALWAYS = {"model", "messages", "stream", "max_tokens", "stream_options"}
SET = Sampling(0.7, 0.9, 40, 0.1, 1.1, 7)


def body(
    owner: str,
    sampling: Sampling = Sampling(),  # noqa: B008 - frozen
    thinking: Thinking = AUTO,
    begun: str = "",
    adaptation: Adaptation = UNADAPTED,
    *,
    keeps_prompts: bool = True,
) -> dict[str, Any]:
    server = Server("http://127.0.0.1/v1", "none", "m", 8192, owner)
    request = Request("a", (), 50, sampling, thinking=thinking)
    cache = CacheTerms("salt", keeps_prompts)
    asked = ServerPrompt(QUESTION, begun)
    return body_of(server, request, asked, adaptation, max_tokens=50, cache=cache)


@pytest.mark.parametrize("owner", ["", "llamacpp", "library", "openai"])
def test_what_is_not_set_is_left_to_the_server(owner: str) -> None:
    assert body(owner).keys() == ALWAYS


@pytest.mark.parametrize("owner", ["vllm", "sglang"])
def test_tenants_are_kept_apart_where_a_server_can(owner: str) -> None:
    assert body(owner).keys() == ALWAYS | {"cache_salt"}
    assert body(owner)["cache_salt"] == "salt"


def test_llama_cpp_keeps_no_prompts_once_two_tenants_ask() -> None:
    assert "cache_prompt" not in body("llamacpp")
    assert body("llamacpp", keeps_prompts=False)["cache_prompt"] is False
    assert "cache_prompt" not in body("", keeps_prompts=False)


@pytest.mark.parametrize(
    ("owner", "penalty"), [("", "repetition_penalty"), ("llamacpp", "repeat_penalty")]
)
def test_what_is_set_is_sent_by_its_name_there(owner: str, penalty: str) -> None:
    sent = body(owner, SET)

    assert [sent[name] for name in ("temperature", "top_p", "top_k", "min_p", "seed")] == [
        *(0.7, 0.9, 40, 0.1, 7)
    ]
    assert sent[penalty] == 1.1


def test_a_temperature_of_zero_is_a_temperature() -> None:
    assert body("", Sampling(temperature=0.0))["temperature"] == 0.0


@pytest.mark.parametrize(
    ("effort", "degree", "switch"),
    [(Effort.OFF, "none", False), (Effort.ON, "medium", True), (Effort.HARD, "high", True)],
)
@pytest.mark.parametrize("owner", ["vllm", "sglang", "llamacpp", ""])
def test_thinking_is_asked_for_in_each_servers_way(
    owner: str, effort: Effort, degree: str, *, switch: bool
) -> None:
    sent = body(owner, thinking=Thinking(effort, 10))

    assert sent["reasoning_effort"] == degree
    if owner:
        assert set(sent["chat_template_kwargs"].values()) == {switch}
        assert "enable_thinking" in sent["chat_template_kwargs"]
    else:
        assert "chat_template_kwargs" not in sent


@pytest.mark.parametrize("owner", ["vllm", "sglang", "llamacpp"])
def test_an_answer_that_has_begun_is_continued_without_a_thought(owner: str) -> None:
    sent = body(owner, thinking=Thinking(Effort.HARD, 10), begun="Because")

    assert sent["messages"][-1] == {"role": "assistant", "content": "Because"}
    assert (sent["continue_final_message"], sent["add_generation_prompt"]) == (True, False)
    assert sent["chat_template_kwargs"]["enable_thinking"] is False


def test_ollama_continues_by_itself_and_others_are_asked_to_in_words() -> None:
    assert body("library", begun="Because")["messages"][-1]["role"] == "assistant"
    assert body("", begun="Because")["messages"][-1] == {"role": "user", "content": GO_ON}
    told = body("vllm", begun="Because", adaptation=Adaptation(asks_to_go_on=True))
    assert told["messages"][-1] == {"role": "user", "content": GO_ON}
    assert "continue_final_message" not in told


def test_a_system_turn_that_is_refused_stands_before_the_question() -> None:
    sent = body("", adaptation=Adaptation(merges_turns=True))

    assert sent["messages"] == [{"role": "user", "content": "Brief.\n\nWhy?"}]


def test_a_text_is_continued_without_a_conversation() -> None:
    server = Server("http://127.0.0.1/v1", "none", "m", 8192, "vllm")
    asked = ServerPrompt((), "Once upon")
    cache = CacheTerms("salt", keeps_prompts=True)

    sent = body_of(server, Request("a", (), 5), asked, UNADAPTED, max_tokens=5, cache=cache)

    assert sent["prompt"] == "Once upon"
    assert sent.keys() == {
        "model",
        "prompt",
        "stream",
        "max_tokens",
        "stream_options",
        "cache_salt",
    }
