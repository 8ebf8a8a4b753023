// Composes the supergraph of the subgraphs on its input, [{name, url, sdl}]; answers {supergraph} or {errors: [{code, message}]}.
import { text } from "node:stream/consumers";
import { composeServices, compositionHasErrors } from "@theguild/federation-composition";
import { GraphQLError, parse } from "graphql";

function parsed({ name, url, sdl }) {
  try {
    return { name, url, typeDefs: parse(sdl, { noLocation: true }) };
  } catch (error) {
    throw new GraphQLError(`[${name}] ${error.message}`, { extensions: { code: "INVALID_GRAPHQL" } });
  }
}

function composed(subgraphs) {
  try {
    const result = composeServices(subgraphs.map(parsed));
    if (!compositionHasErrors(result)) return { supergraph: result.supergraphSdl };
    return { errors: result.errors.map(said) };
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [said(error)] };
    throw error;
  }
}

function said(error) {
  return { code: error.extensions?.code ?? "INVALID_GRAPHQL", message: error.message };
}

console.log(JSON.stringify(composed(JSON.parse(await text(process.stdin)))));
