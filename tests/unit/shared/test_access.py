"""Names of access lists, as operators and administrators write them."""

import pytest

from shared.access import (
    MAX_NAMES,
    AccessName,
    AccessNameError,
    NameKind,
    parse_local,
    parse_name,
    parse_names,
)
from shared.jobs import Platform

WRITTEN = {
    "slack:T012AB3CD": NameKind.WORKSPACE,
    "slack:*": NameKind.WORKSPACE,
    "slack:E012AB3CD": NameKind.WORKSPACE,
    "slack:T1/C012AB3CD": NameKind.CHANNEL,
    "slack:T1/G012AB3CD": NameKind.CHANNEL,
    "slack:T1/D012AB3CD": NameKind.CHANNEL,
    "slack:T1/U012AB3CD": NameKind.USER,
    "slack:T1/W012AB3CD": NameKind.USER,
    "slack:T1/S012AB3CD": NameKind.GROUP,
    "slack:T1/guests": NameKind.KNOWN,
    "slack:*/strangers": NameKind.KNOWN,
    "slack:*/bots": NameKind.KNOWN,
    "discord:123456789012345678": NameKind.WORKSPACE,
    "discord:12/channel:34": NameKind.CHANNEL,
    "discord:12/category:34": NameKind.CATEGORY,
    "discord:12/role:34": NameKind.ROLE,
    "discord:12/user:34": NameKind.USER,
    "discord:*/user:34": NameKind.USER,
    "discord:12/bots": NameKind.KNOWN,
}


@pytest.mark.parametrize(("text", "kind"), WRITTEN.items())
def test_a_name_is_read_and_written_the_same(text: str, kind: NameKind) -> None:
    assert parse_name(text).kind is kind
    assert str(parse_name(text)) == text
    local = text.partition("/")[2]
    if local:
        name = parse_name(text)
        assert name.local == local
        assert parse_local(local, name.platform, name.team) == name
        assert parse_local(text, name.platform, name.team) == name


@pytest.mark.parametrize("text", ["slack:T1/user:U1", "slack:T1/channel:C1", "slack:T1/group:S1"])
def test_slacks_names_may_say_what_they_are(text: str) -> None:
    assert str(parse_name(text)) == text.replace("user:", "").replace("channel:", "").replace(
        "group:", ""
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "names nothing"),
        ("T1", "names nothing"),
        ("slack", "names nothing"),
        ("teams:T1", "names nothing"),
        ("Slack:T1", "names nothing"),
        ("console:T1", "names nothing"),
        ("slack:", "is not a Slack workspace's id"),
        ("slack:t1", "is not a Slack workspace's id"),
        ("slack:C1", "is not a Slack workspace's id"),
        ("slack:**", "is not a Slack workspace's id"),
        ("discord:guild", "is not a server's id"),
        ("discord:@me", "is not a server's id"),
        ("discord:012", "is not a server's id"),
        ("discord:" + "1" * 21, "is not a server's id"),
        ("slack:T1/", "names nothing on Slack"),
        ("slack:T1/T2", "names nothing on Slack"),
        ("slack:T1/u1", "names nothing on Slack"),
        ("slack:T1/role:5", "names nothing on Slack"),
        ("slack:T1/channel:U1", "names nothing on Slack"),
        ("slack:T1/C1/U1", "names nothing on Slack"),
        ("slack:T1/admins", "names nothing on Slack"),
        ("slack:*/S1", "belongs to one workspace"),
        ("discord:1/2", "names nothing on Discord"),
        ("discord:1/role:", "names nothing on Discord"),
        ("discord:1/role:mods", "names nothing on Discord"),
        ("discord:1/group:5", "names nothing on Discord"),
        ("discord:1/guests", "Discord knows no guests"),
        ("discord:1/strangers", "Discord knows no strangers"),
        ("discord:*/role:5", "belongs to one workspace or server"),
        ("discord:*/category:5", "belongs to one workspace or server"),
    ],
)
def test_a_text_that_names_nothing_is_a_sentence(text: str, says: str) -> None:
    with pytest.raises(AccessNameError, match=says):
        parse_name(text)


def test_a_list_takes_commas_blanks_and_lines() -> None:
    found = parse_names(" slack:T1,discord:2/role:3;\n slack:T1 ,, slack:*/guests")

    assert sorted(map(str, found)) == ["discord:2/role:3", "slack:*/guests", "slack:T1"]


@pytest.mark.parametrize("text", [",", " ", ";;"])
def test_a_list_of_nothing_is_a_mistake_and_not_everybody(text: str) -> None:
    with pytest.raises(AccessNameError, match="names nothing"):
        parse_names(text)


def test_a_list_has_a_bound() -> None:
    with pytest.raises(AccessNameError, match="too many"):
        parse_names(",".join(f"slack:T1/U{number}" for number in range(MAX_NAMES + 1)))


@pytest.mark.parametrize("text", ["slack:T2/C1", "discord:5/role:6", "slack:T1"])
def test_a_workspaces_own_list_names_what_is_in_it(text: str) -> None:
    with pytest.raises(AccessNameError):
        parse_local(text, Platform.SLACK, "T1")


def test_no_word_of_a_person_makes_a_long_sentence() -> None:
    with pytest.raises(AccessNameError) as caught:
        parse_name("x" * 10_000)

    assert len(str(caught.value)) < 600
    assert AccessName(Platform.SLACK, "T1") < AccessName(Platform.SLACK, "T2")
