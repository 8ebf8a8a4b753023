"""However a message changes, a number stands for one field for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nexus.surfaces.lock import Lock, Member, Message, Words, merged

NAMES = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["text", "int", "words(x)", "words(x y)"]), max_size=8)
HISTORIES = st.lists(NAMES, min_size=1, max_size=8)


def declared(fields: dict[str, str]) -> Lock:
    members = {name: Member(type=type_) for name, type_ in fields.items()}
    words = Words(source="shop.Words", numbers=dict.fromkeys(fields, 0))
    return Lock(service="shop", messages={"Thing": Message(kind="record", source="shop.Thing", fields=members)}, enums={"Words": words})


@given(HISTORIES)
def test_a_number_has_one_meaning(history: list[dict[str, str]]) -> None:
    lock = Lock(service="shop")
    meanings: dict[int, str] = {}
    words: dict[int, str] = {}
    for fields in history:
        lock = merged(lock, declared(fields))
        message, enum = lock.messages["Thing"], lock.enums["Words"]

        assert list(message.fields) == list(fields)
        numbers = [one.number for one in message.fields.values()] + list(message.reserved.values())
        assert len(set(numbers)) == len(numbers)
        assert all(1 <= number < 19_000 for number in numbers)
        for name, member in message.fields.items():
            # a choice may get more words: its number stays
            assert meanings.setdefault(member.number, f"{name} {member.type[:5]}") == f"{name} {member.type[:5]}"
        for word, number in enum.numbers.items():
            assert words.setdefault(number, word) == word
        assert merged(lock, declared(fields)) == lock


def test_numbers_that_the_encoding_keeps_for_itself_are_left_out() -> None:
    fields = {f"f{place}": Member(number=place, type="text") for place in range(1, 19_000)}
    lock = Lock(service="shop", messages={"Thing": Message(kind="record", source="shop.Thing", fields=fields)})
    more = fields | {"new": Member(type="text"), "newer": Member(type="text")}

    grown = merged(lock, Lock(service="shop", messages={"Thing": Message(kind="record", source="shop.Thing", fields=more)}))

    assert [grown.messages["Thing"].fields[name].number for name in ("f18999", "new", "newer")] == [18_999, 20_000, 20_001]
