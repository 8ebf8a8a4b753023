"""Our own lint rules find what they are for."""

from pathlib import Path

from tools.lint import sizes, types, words


def test_a_long_function_and_a_long_file_are_found() -> None:
    text = "def long():\n" + "    x = 1\n" * 41
    assert list(sizes.check({Path("a.py"): text}, {})) == ["a.py::long: 42 lines, at most 40"]
    assert list(sizes.check({Path("b.py"): "x = 1\n" * 401}, {})) == ["b.py: 401 lines, at most 400"]


def test_the_ratchet_only_shrinks() -> None:
    text = "x = 1\n" * 410
    assert list(sizes.check({Path("b.py"): text}, {"b.py": 410})) == []
    assert "lower the ratchet" in next(sizes.check({Path("b.py"): text}, {"b.py": 420}))
    assert "take it out" in next(sizes.check({Path("b.py"): "x = 1\n"}, {"b.py": 420}))


def test_words_that_do_not_belong_are_found() -> None:
    host = ".".join(("pypi", "org"))
    wrong = {Path("a.md"): f"https://{host}/x\n", Path("b.py"): "p = '/ro" + "ot/x'\n", Path("c.py"): "# TO" + "DO\n", Path("utils.py"): ""}
    found = list(words.check(wrong))
    assert [line.split(":")[0] for line in found] == ["a.md", "b.py", "c.py", "utils.py"]


def test_any_in_a_rule_is_found() -> None:
    assert list(types.check({Path("nexus/services/x/commands/y.py"): "def f(a: Any) -> None: ...\n"})) != []
    assert list(types.check({Path("nexus/services/x/queries.py"): "def f(a: Any) -> None: ...\n"})) == []
