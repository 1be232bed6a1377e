"""Typed settings: models made from others, and what is wrong with some in sentences."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from semsim.errors import SemsimError
from semsim.settings import OneOf, Settings, Several, ShareOfSteps, changes_of, checked_by, validated, with_defaults
from semsim.validation import schema_of

COLOURS = {"red": 1, "green": 2}


class Recipe(Settings):
    epochs: int = Field(3, ge=1, description="how often. And more")
    colour: Annotated[str, OneOf(COLOURS)] = Field("red", description="which one")
    moments: Several[ShareOfSteps] = Field((0.5,), description="when")
    name: str = Field(description="what it is called")

    @model_validator(mode="after")
    def _red_is_short(self):
        if self.colour == "red" and self.epochs > 5:
            raise ValueError("red is for up to 5 epochs.")
        return self


class Circle(Settings):
    kind: Literal["circle"] = "circle"
    radius: float = Field(gt=0, description="of it")


class Square(Settings):
    kind: Literal["square"] = "square"
    side: float = Field(gt=0, description="of it")


class Picture(Settings):
    shape: Annotated[Circle | Square, Field(discriminator="kind")] | None = Field(None, description="what is drawn")
    recipes: dict[str, Recipe] = Field({}, description="how")
    frames: list[Circle] = Field([], max_length=1, description="around it")


def problems(model, settings):
    with pytest.raises(SemsimError) as error:
        validated(model, settings, "wrong")
    heading, *lines = str(error.value).splitlines()
    assert heading == "wrong:"
    return [line.strip() for line in lines]


def test_other_defaults_keep_everything_else():
    Slow = with_defaults(Recipe, "Slow", epochs=5)
    assert Slow(name="a").epochs == 5 and Recipe(name="a").epochs == 3
    assert problems(Slow, {"name": "a", "epochs": 0}) == ["epochs: 0 is out of range, 1 or more (how often)."]
    assert problems(Slow, {"name": "a", "epochs": 6}) == ["top level: red is for up to 5 epochs."]
    assert schema_of(Slow)["properties"]["epochs"]["default"] == 5


def test_changes_may_leave_out_everything_and_are_only_what_was_given():
    Changes = changes_of(Recipe)
    assert validated(Changes, {}, "").model_dump(exclude_unset=True) == {}
    given = {"epochs": 9, "moments": [0.1]}
    assert validated(Changes, given, "").model_dump(exclude_unset=True) == {"epochs": 9, "moments": (0.1,)}
    assert problems(Changes, {"moments": [0.1, 1]}) == ["moments.1: 1 is out of range, between 0 and 1."]
    assert problems(Changes, {"epochs": None}) == ["epochs: null is not a whole number (how often)."]
    assert not any("default" in rules for rules in schema_of(Changes)["properties"].values())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"shape": {"kind": "circel"}}, ["shape.kind: 'circel' is not one of circle, square. Did you mean 'circle'?"]),
        ({"shape": {"radius": 1}}, ["shape: 'kind' is missing: one of circle, square."]),
        ({"shape": {"kind": "circle", "side": 1, "radius": 1}}, ["shape: unknown setting 'side'."]),
        ({"shape": 3}, ["shape: 3 is not a section of settings (what is drawn)."]),
        ({"recipes": {"a": {}}}, ["recipes.a: 'name' is missing (what it is called)."]),
        ({"recipes": {"a": {"name": "x", "colour": "gren"}}}, ["recipes.a.colour: 'gren' is not one of red, green."]),
        (
            {"recipes": {"a": {"name": 1, "epochs": True}}},
            ["recipes.a.epochs: true is not", "recipes.a.name: 1 is not"],
        ),
        ({"frames": [{"radius": 1}, {"radius": 2}]}, ["frames: "]),
        ({"frames": [{"radius": float("inf")}]}, ["frames.0.radius: inf is not a finite number (of it)."]),
        ([], ["top level: [] is not a section of settings."]),
    ],
)
def test_every_problem_is_one_sentence_with_its_place(settings, expected):
    found = problems(Picture, settings)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


def test_a_function_of_the_library_can_check_a_value():
    def check(word):
        if word != "please":
            raise SemsimError(f"{word} is not polite.")

    class Request(Settings):
        word: Annotated[str, checked_by(check)]

    assert validated(Request, {"word": "please"}, "").word == "please"
    assert problems(Request, {"word": "now"}) == ["word: now is not polite."]


def test_settings_do_not_change():
    recipe = Recipe(name="a")
    with pytest.raises(ValidationError):
        recipe.epochs = 4
