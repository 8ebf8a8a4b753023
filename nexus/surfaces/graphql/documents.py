"""Documents: parsed, measured and validated once, and kept; every limit that is passed is named."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

import graphql as lib

from nexus.core.problem import Malformed
from nexus.surfaces.graphql.limits import Limits
from nexus.surfaces.graphql.model import Graph
from nexus.surfaces.graphql.refusals import Limit, Refused, beyond
from nexus.surfaces.graphql.sources import Report

BINDABLE: Final = frozenset(("id", "filter", "after", "before", "search", "representations"))
"""Arguments whose values a statement takes as parameters; of all others the statement is made anew."""
_KEPT_SIZE: Final = 4 * 1024 * 1024
"""Characters of all documents that are kept."""
_MOST_ERRORS: Final = 20


@dataclass(slots=True)
class Document:
    """A document that may be executed."""

    text: str
    operations: dict[str | None, lib.OperationDefinitionNode]
    fragments: dict[str, lib.FragmentDefinitionNode]
    ast: lib.DocumentNode
    by_value: frozenset[str]
    """Variables whose values decide what a statement looks like."""
    plans: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def operation(self, name: str | None) -> lib.OperationDefinitionNode:
        """The operation of a name, or the only one. Malformed (400) where there is none such."""
        if name is not None:
            found = self.operations.get(name)
            if found is None:
                raise Malformed(reason=f"operationName: the document has no operation named {name[:80]!r}.")
            return found
        if len(self.operations) != 1:
            raise Malformed(reason="operationName: the document has several operations; say which.")
        return next(iter(self.operations.values()))


class Documents:
    """The documents of one endpoint, those used last."""

    def __init__(self, graph: Graph, schema: lib.GraphQLSchema, limits: Limits) -> None:
        self._graph = graph
        self._schema = schema
        self.limits = limits
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._size = 0
        rules: list[Any] = [*lib.specified_rules, lib.MaxIntrospectionDepthRule]
        self._rules = rules if limits.introspection else [*rules, lib.NoSchemaIntrospectionCustomRule]

    def read(self, text: str) -> Document:
        """A document, ready to be executed. Refused where it cannot be."""
        known = self._kept.get(text)
        if known is not None:
            self._kept.move_to_end(text)
            return known
        made = self._made(text)
        self._kept[text] = made
        self._size += len(text)
        while self._size > _KEPT_SIZE:
            gone, _ = self._kept.popitem(last=False)
            self._size -= len(gone)
        return made

    def _made(self, text: str) -> Document:
        limits = self.limits
        if len(text.encode("utf-8", "replace")) > limits.document:
            raise Refused.by(beyond("document", limits))
        ast = _parsed(text)
        operations: dict[str | None, lib.OperationDefinitionNode] = {}
        fragments: dict[str, lib.FragmentDefinitionNode] = {}
        for node in ast.definitions:
            if isinstance(node, lib.OperationDefinitionNode):
                operations[node.name.value if node.name else None] = node
            elif isinstance(node, lib.FragmentDefinitionNode):
                fragments[node.name.value] = node
        try:
            _measure(operations, fragments, limits)
            errors = lib.validate(
                self._schema,
                ast,
                self._rules,
                max_errors=_MOST_ERRORS,
                hide_suggestions=not limits.introspection,
                allow_empty_selection_sets=False,
            )
        except RecursionError:
            raise Refused.by(Limit(what="The document nests too deeply", limit=str(limits.depth), name="graphql_depth")) from None
        if errors:
            raise Refused.of(errors, "GRAPHQL_VALIDATION_FAILED")
        return Document(text, operations, fragments, ast, _by_value(self._graph, ast))


def _parsed(text: str) -> lib.DocumentNode:
    try:
        return lib.parse(text, allow_empty_selection_sets=False)
    except lib.GraphQLError as error:
        raise Refused.of([error], "GRAPHQL_PARSE_FAILED") from None
    except RecursionError:
        raise Refused.by(Limit(what="The document nests too deeply to be read", limit="the parser's", name="graphql_depth")) from None


@dataclass(slots=True)
class _Size:
    depth: int = 0
    aliases: int = 0
    fields: int = 0


def _measure(
    operations: dict[str | None, lib.OperationDefinitionNode], fragments: dict[str, lib.FragmentDefinitionNode], limits: Limits
) -> None:
    """Refused where an operation, with its fragments put in their places, is larger than allowed; a fragment is measured once."""
    known: dict[str, _Size] = {}
    measuring: set[str] = set()

    def of_fragment(name: str) -> _Size:
        if name in measuring or name not in fragments:
            return _Size()  # validation names both mistakes
        if name not in known:
            measuring.add(name)
            known[name] = of_set(fragments[name].selection_set)
            measuring.discard(name)
        return known[name]

    def of_set(node: lib.SelectionSetNode) -> _Size:
        whole = _Size()
        for one in node.selections:
            if isinstance(one, lib.FieldNode):
                inner = of_set(one.selection_set) if one.selection_set and not one.name.value.startswith("__") else _Size()
                inner.depth += 1
                inner.fields += 1
                inner.aliases += one.alias is not None
            elif isinstance(one, lib.InlineFragmentNode):
                inner = of_set(one.selection_set)
            else:
                inner = of_fragment(one.name.value) if isinstance(one, lib.FragmentSpreadNode) else _Size()
            whole.depth = max(whole.depth, inner.depth)
            whole.aliases += inner.aliases
            whole.fields += inner.fields
        return whole

    for operation in operations.values():
        size = of_set(operation.selection_set)
        for name in ("depth", "aliases", "fields"):
            if getattr(size, name) > getattr(limits, name):
                raise Refused.by(beyond(name, limits))


def _by_value(graph: Graph, ast: lib.DocumentNode) -> frozenset[str]:
    """The variables that stand anywhere but in arguments that a statement takes as parameters."""
    reports = {member.name for member in graph.query.members.values() if isinstance(member.source, Report)}
    found: set[str] = set()

    def variables(node: lib.Node) -> None:
        class Visitor(lib.Visitor):
            def enter_variable(self, node: lib.VariableNode, *_: Any) -> None:
                found.add(node.name.value)

        lib.visit(node, Visitor())

    class Fields(lib.Visitor):
        def enter_field(self, node: lib.FieldNode, *_: Any) -> None:
            for argument in node.arguments or ():
                if argument.name.value not in BINDABLE or node.name.value in reports:
                    variables(argument)

        def enter_directive(self, node: lib.DirectiveNode, *_: Any) -> None:
            variables(node)

    lib.visit(ast, Fields())
    return frozenset(found)
