"""How one layer of a preset is laid over another: mappings by name, lists of things by their `key`, lists of words united.

The rules, all of them:
* a mapping over a mapping merges name by name;
* a list of things (mappings with a `key`) over another merges thing by thing; a new one goes to the end, or before the one that
  `before:` names; `remove: true` takes the thing away;
* a list of words over another adds the words that are not there yet;
* anything else is replaced.

So laying a layer over itself changes nothing, and two layers that speak of different keys may be laid in either order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from nexus.documents import Tree, Value, is_list, is_tree

Blame = dict[str, str]
"""Path of a value → the layer that said it last."""


def lay(under: Value, over: Value, layer: str, blame: Blame, path: str = "") -> Value:
    """The two merged; neither is changed, and `blame` is told what `over` said."""
    if is_tree(under) and is_tree(over):
        return _mappings(under, over, layer, blame, path)
    if is_list(under) and is_list(over):
        if is_things(under) and is_things(over):
            return _things(under, over, layer, blame, path)
        if not any(isinstance(item, dict | list) for item in (*under, *over)):
            blame[path] = layer
            return [*under, *(word for word in over if word not in under)]
    return _fresh(over, layer, blame, path)


def prune(blame: Blame, tree: Tree) -> Blame:
    """The blame of the values that are still there, sorted by path."""
    alive = set(leaves(tree))
    return {path: blame[path] for path in sorted(alive & blame.keys())}


def leaves(value: Value, path: str = "") -> list[str]:
    """The path of every single value below, things by their keys: `crm.pipelines.events.stages.tasting.probability`."""
    if is_tree(value):
        return [leaf for name, below in value.items() for leaf in leaves(below, _join(path, name))]
    if is_list(value) and is_things(value) and value:
        return [leaf for thing in value for leaf in leaves(thing, _join(path, str(thing["key"])))]
    return [path]


def is_things(items: Sequence[Value]) -> TypeGuard[Sequence[Tree]]:
    """Whether every item is a mapping with a key (true of the empty list)."""
    return all(is_tree(item) and "key" in item for item in items)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _mappings(under: Tree, over: Mapping[str, Value], layer: str, blame: Blame, path: str) -> Tree:
    merged = dict(under)
    for name, value in over.items():
        merged[name] = lay(under.get(name), value, layer, blame, _join(path, name))
    return merged


def _things(under: Sequence[Tree], over: Sequence[Tree], layer: str, blame: Blame, path: str) -> Value:
    merged = {str(thing["key"]): thing for thing in under}
    order = list(merged)
    for thing in over:
        key = str(thing["key"])
        said = {name: value for name, value in thing.items() if name not in ("before", "remove")}
        if thing.get("remove"):
            merged.pop(key, None)
            order = [other for other in order if other != key]
            continue
        if key not in merged:
            before = thing.get("before")
            order.insert(order.index(str(before)) if before in merged else len(order), key)
        merged[key] = _mappings(merged.get(key, {}), said, layer, blame, _join(path, key))
    return [merged[key] for key in order]


def _fresh(value: Value, layer: str, blame: Blame, path: str) -> Value:
    """A value nothing was under: cleaned of `before` and `remove`, and blamed leaf by leaf."""
    if is_tree(value):
        return _mappings({}, value, layer, blame, path)
    if is_list(value) and is_things(value) and value:
        return _things([], value, layer, blame, path)
    blame[path] = layer
    return value
