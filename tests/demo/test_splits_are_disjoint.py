"""No question is in two splits, and another test seed gives questions that nobody has seen."""

from itertools import combinations

import pytest

from cycleqd.demo.questions import TEST_PARTS, draw
from cycleqd.demo.recipes import RECIPES
from cycleqd.demo.skills import LATER_SKILLS, SKILLS

ALL = {**SKILLS, **LATER_SKILLS}


@pytest.mark.parametrize("skill", list(ALL))
def test_no_question_is_drawn_for_two_splits(skill: str):
    drawn = [{q.prompt for q in draw(ALL[skill], s, 150)} for s in ("train", "search", "tune")]
    drawn += [{q.prompt for q in draw(ALL[skill], "test", 150, seed=s)} for s in (0, 1, 2, 3)]
    assert len(drawn) == 3 + TEST_PARTS
    for one, other in combinations(drawn, 2):
        assert not one & other
    assert all(len(prompts) == 150 for prompts in drawn)


@pytest.mark.parametrize("preset", list(RECIPES))
@pytest.mark.parametrize("skill", list(ALL))
def test_every_recipe_finds_enough_questions(preset: str, skill: str):
    recipe = RECIPES[preset]
    share = recipe.shared_share
    for seed in range(TEST_PARTS):
        found = draw(ALL[skill], "test", recipe.test_items, seed=seed, shared_share=share)
        assert len(found) == recipe.test_items
    for split, count in (
        ("train", max(recipe.questions.values())),
        ("search", recipe.search_items),
    ):
        found = draw(ALL[skill], split, count, shared_share=share)
        assert len({question.identity for question in found}) == count


def test_too_many_questions_are_refused():
    with pytest.raises(ValueError, match="sql has fewer than 500 questions in tune"):
        draw(SKILLS["sql"], "tune", 500, keep=lambda template: template == "staff-summed")
