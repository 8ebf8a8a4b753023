// The limits of a request as a whole, held before it is planned: each service holds them too, but knows only its own part.
// What is said where one is passed comes with the limit, in the words of the services.
import { GraphQLError, GraphQLObjectType, Kind, getNamedType } from "graphql";

// Fields, aliases and depth of a selection set with its fragments in their places; what tells of the schema counts once.
function sizes(fragments) {
  const known = new Map();
  return function of(node) {
    const whole = { depth: 0, aliases: 0, fields: 0 };
    for (const one of node.selections) {
      let inner = { depth: 0, aliases: 0, fields: 0 };
      if (one.kind === Kind.FIELD) {
        if (one.selectionSet && !one.name.value.startsWith("__")) inner = { ...of(one.selectionSet) };
        inner.depth += 1;
        inner.fields += 1;
        inner.aliases += one.alias ? 1 : 0;
      } else if (one.kind === Kind.INLINE_FRAGMENT) {
        inner = of(one.selectionSet);
      } else if (fragments[one.name.value]) {
        const name = one.name.value;
        if (!known.has(name)) known.set(name, of(fragments[name].selectionSet));
        inner = known.get(name);
      }
      whole.depth = Math.max(whole.depth, inner.depth);
      whole.aliases += inner.aliases;
      whole.fields += inner.fields;
    }
    return whole;
  };
}

function given(node, name, variables) {
  const value = node.arguments?.find((one) => one.name.value === name)?.value;
  if (value?.kind === Kind.VARIABLE) return variables?.[value.name.value] ?? undefined;
  return value?.kind === Kind.INT ? Number(value.value) : undefined;
}

// Records that may be answered: a page has as many as it is asked for, for each record that it is a page of.
function rows(schema, fragments, variables, page, most) {
  let found = 0;
  function visit(type, node, times, limit) {
    for (const one of node.selections) {
      if (found > most) return;
      if (one.kind === Kind.INLINE_FRAGMENT || one.kind === Kind.FRAGMENT_SPREAD) {
        const inside = one.kind === Kind.INLINE_FRAGMENT ? one : fragments[one.name.value];
        if (inside) visit(inside.typeCondition ? schema.getType(inside.typeCondition.name.value) : type, inside.selectionSet, times, limit);
        continue;
      }
      const name = one.name.value;
      const below = getNamedType(type?.getFields?.()[name]?.type);
      if (name.startsWith("__") || !one.selectionSet || !below) continue;
      if (below instanceof GraphQLObjectType && below.getFields().pageInfo) {
        visit(below, one.selectionSet, times, Math.min(given(one, "last", variables) ?? given(one, "first", variables) ?? page.usual, page.most));
        continue;
      }
      const many = limit !== undefined && (name === "edges" || name === "nodes");
      const here = many ? times * limit : times;
      if (many || below.getFields?.().id) found += name === "node" ? 0 : here;
      visit(below, one.selectionSet, here, undefined);
    }
  }
  return { of: (type, node) => (visit(type, node, 1, undefined), found) };
}

function refusal(limit) {
  const { message, extensions } = limit.error;
  return new GraphQLError(message, { extensions: { ...extensions, http: { status: 400 } } });
}

function beyond({ document, schema, variableValues }, limits) {
  const fragments = Object.fromEntries(document.definitions.filter((one) => one.kind === Kind.FRAGMENT_DEFINITION).map((one) => [one.name.value, one]));
  const measured = sizes(fragments);
  for (const one of document.definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION)) {
    const size = measured(one.selectionSet);
    for (const name of ["depth", "aliases", "fields"]) if (size[name] > limits[name].most) return refusal(limits[name]);
    const counted = rows(schema, fragments, variableValues, limits.page, limits.rows.most);
    if (counted.of(schema.getRootType(one.operation), one.selectionSet) > limits.rows.most) return refusal(limits.rows);
  }
  return undefined;
}

// A plugin of the gateway's.
export function limited(limits) {
  if (!limits) return {};
  function held({ args, executionArgs = args, setResultAndStopExecution }) {
    const error = beyond(executionArgs, limits);
    if (error) setResultAndStopExecution({ errors: [error] });
  }
  return {
    onParams({ params, setResult }) {
      const size = typeof params.query === "string" ? Buffer.byteLength(params.query) : 0;
      if (size > limits.document.most) setResult({ errors: [refusal(limits.document)] });
    },
    onExecute: held,
    onSubscribe: held,
  };
}
