import pytest

from worker.sentiment.ratings import (
    Boundaries,
    Label,
    label_of,
    likeliest,
    macro_f1,
    rating_of,
    score_of,
    values_of,
)

P, N, ZERO = Label.POSITIVE, Label.NEGATIVE, Label.NEUTRAL


@pytest.mark.parametrize(
    ("score", "label"),
    [(4, P), (0.5, P), (0.49, ZERO), (0, ZERO), (-0.49, ZERO), (-0.5, N), (-4, N)],
)
def test_label_changes_at_half_a_point(score: float, label: Label) -> None:
    assert label_of(score, Boundaries()) is label


def test_rating_keeps_a_score_on_the_scale() -> None:
    assert rating_of(7.0, Boundaries()).score == 4.0
    assert rating_of(-7.0, Boundaries()).score == -4.0


@pytest.mark.parametrize(
    ("score", "is_clear"), [(2.0, True), (1.9, False), (-2.5, True), (0.0, False)]
)
def test_rating_is_clear_from_its_boundary_on(score: float, *, is_clear: bool) -> None:
    assert rating_of(score, Boundaries(clear=2.0)).is_clear is is_clear


def test_neutral_rating_is_never_clear() -> None:
    rating = rating_of(2.0, Boundaries(positive=3.0, clear=1.0))

    assert (rating.label, rating.is_clear) == (ZERO, False)


def test_macro_f1_is_the_mean_of_the_three_classes() -> None:
    truth = [P, P, N, ZERO]
    found = [P, N, N, ZERO]

    # positive: 1 hit of 2 + 1 named = 2/3; negative: 1 of 1 + 2 = 2/3; neutral: 1
    assert macro_f1(truth, found) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_macro_f1_counts_a_class_that_is_never_found_as_nothing() -> None:
    assert macro_f1([P, N, ZERO], [P, P, P]) == pytest.approx((2 / 4) / 3)


@pytest.mark.parametrize(
    ("names", "values"),
    [
        (["negative", "neutral", "positive"], (-4, 0, 4)),
        (["POSITIVE", "NEGATIVE"], (4, -4)),
        (["LABEL_NEG", "LABEL_POS"], (-4, 4)),
        (["1 star", "2 stars", "3 stars", "4 stars", "5 stars"], (-4, -2, 0, 2, 4)),
        (["Very Negative", "Negative", "Neutral", "Positive", "Very Positive"], (-4, -2, 0, 2, 4)),
        (["LABEL_0", "LABEL_1"], None),
        (["joy", "anger"], None),
        (["positive", "neutral"], None),
        (["6 stars", "negative"], None),
        ([], None),
    ],
)
def test_values_come_from_the_names_of_classes(
    names: list[str], values: tuple[float, ...] | None
) -> None:
    assert values_of(dict(enumerate(names))) == values


def test_score_is_the_expected_place_on_the_scale() -> None:
    assert score_of([0.1, 0.2, 0.7], [-4, 0, 4]) == pytest.approx(2.4)


def test_likeliest_takes_the_degrees_of_a_class_together() -> None:
    assert likeliest([0.3, 0.3, 0.4, 0.0, 0.0], [-4, -2, 0, 2, 4]) is N
