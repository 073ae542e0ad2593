"""Every sentence stands in both languages and takes the same facts in each."""

import importlib
import pkgutil
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import bot.texts
from bot.texts import Text, language_of
from bot.texts.filling import filled


def texts_in(value, name) -> Iterator[tuple[str, Text]]:
    if isinstance(value, Text):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts_in(inner, f"{name}[{key!r}]")
    elif isinstance(value, tuple | list):
        for place, inner in enumerate(value):
            yield from texts_in(inner, f"{name}[{place}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from texts_in(getattr(value, field.name), f"{name}.{field.name}")


def all_texts():
    modules = [bot.texts, *_modules()]
    return {
        f"{module.__name__}.{name}": text
        for module in modules
        for constant, value in vars(module).items()
        for name, text in texts_in(value, constant)
    }


def _modules():
    for found in pkgutil.walk_packages(bot.texts.__path__, "bot.texts."):
        yield importlib.import_module(found.name)


def placeholders(sentence):
    return sorted(
        {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}
    )


TEXTS = all_texts()
CODE = re.compile(r"E-[A-Z][A-Z-]+")


def test_the_search_for_texts_finds_those_in_tables_and_dataclasses():
    assert "bot.texts.about.NEW.summary" in TEXTS
    assert "bot.texts.engine.ENDS['stop']" in TEXTS
    assert len(TEXTS) > 200


def test_both_languages_take_the_same_facts():
    for name, text in TEXTS.items():
        places = placeholders(text.zh)
        assert places == placeholders(text.en), name
        assert all(place.isidentifier() for place in places), f"{name}: facts have names"
        assert "language" not in places, f"{name}: say() takes that one itself"


def test_both_languages_say_something_and_show_the_same_codes():
    for name, text in TEXTS.items():
        assert text.zh.strip(), name
        assert text.en.strip(), name
        assert CODE.findall(text.zh) == CODE.findall(text.en), name


def test_no_chinese_stands_in_an_english_sentence():
    assert [name for name, text in TEXTS.items() if language_of(text.en) == "zh"] == []


def test_a_filled_sentence_is_said_without_facts_in_either_language():
    inner = Text(zh="因为 {x}", en="because of {x}")
    outer = Text(zh="不行（{why}）{n}", en="no ({why}) {n}")
    said = filled(outer, why=filled(inner, x="{brace}"), n=3)
    assert said.say("zh") == "不行（因为 {brace}）3"
    assert said.say("en") == "no (because of {brace}) 3"
