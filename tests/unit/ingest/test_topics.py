import pytest

from ingest.topics import Channel, Subscription, Topic, build, escape, parse, subscriptions


def test_topics_of_the_layout_are_built_as_documented() -> None:
    assert build("malang", "d1", Channel.READINGS) == "twuin/malang/d1/readings"
    assert build("malang", "d1", Channel.RESULT) == "twuin/malang/d1/command/result"


@pytest.mark.parametrize("id", ["a/b", "a+b", "#", "100%", "%2F", "a b", "Jalan Ijen №5", "x\0y", "$SYS"])
def test_any_id_fills_one_level_and_comes_back(id: str) -> None:
    topic = build(id, id, Channel.STATUS)
    assert topic.count("/") == 3
    assert not set("+#\0") & set(topic)
    assert parse(topic) == Topic(id, id, Channel.STATUS)
    assert str(Topic(id, id, Channel.STATUS)) == topic


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "twuin",
        "twuin/malang",
        "twuin/malang/readings",
        "twuin/malang//readings",
        "twuin//d1/readings",
        "twuin/malang/d1",
        "twuin/malang/d1/",
        "twuin/malang/d1/reading",
        "twuin/malang/d1/READINGS",
        "twuin/malang/d1/readings/",
        "twuin/malang/d1/command/result/x",
        "/twuin/malang/d1/readings",
        "other/malang/d1/readings",
        "twuin/malang/%ff/readings",
    ],
)
def test_anything_else_is_no_topic_of_ours(topic: str) -> None:
    assert parse(topic) is None


def test_an_empty_or_endless_id_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        escape("")
    with pytest.raises(ValueError, match="fit"):
        build("malang", "d" * 70_000, Channel.READINGS)


def test_one_process_alone_subscribes_once_to_all_there_is() -> None:
    assert subscriptions("malang") == [Subscription("twuin/#")]
    assert subscriptions("ma/lang", strays=False) == [Subscription("twuin/ma%2Flang/#")]


def test_side_by_side_readings_are_divided_and_status_goes_to_all() -> None:
    assert subscriptions("malang", shared=True) == [
        Subscription("$share/twuin-malang/twuin/#", shared=True),
        Subscription("twuin/malang/+/status"),
    ]


def test_topics_of_other_makers_are_divided_as_ours_are() -> None:
    assert subscriptions("malang", foreign=["pdam/#"])[1:] == [Subscription("pdam/#")]
    divided = subscriptions("malang", shared=True, foreign=["pdam/#"])
    assert Subscription("$share/twuin-malang/pdam/#", shared=True) in divided
