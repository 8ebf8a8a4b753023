// The federation gateway: one graph in front of the services' own endpoints, whose addresses are in the supergraph.
// Its configuration is its first argument, as JSON; it says where it listens in one line, and ends when its input does.
import { readFileSync, watchFile } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { Agent, createServer as createSecureServer } from "node:https";
import { createGatewayRuntime, getGraphQLWSOptions } from "@graphql-hive/gateway-runtime";
import { Logger } from "@graphql-hive/logger";
import http from "@graphql-mesh/transport-http";
import { GraphQLError, parse } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { limited } from "./limits.mjs";

const { supergraph, host, port, path, introspection, timeout, headers, limits, tls } = JSON.parse(process.argv[2]);

// A refused request is told without what was asked and what was answered: both may hold what no log may.
function write(level, attributes, message) {
  const { code, serviceName } = attributes?.extensions ?? {};
  const said = message || attributes?.message || "";
  console.error(JSON.stringify({ level, message: String(said).split("\n")[0], code, service: serviceName, path: attributes?.path }));
}

// What a service said of a request is passed on. That it said nothing, or nothing that can be read, is a problem which names it.
function shown(error) {
  const { code, serviceName, problem } = error.extensions ?? {};
  if (serviceName === undefined || problem !== undefined || code === "DOWNSTREAM_SERVICE_ERROR") {
    return error instanceof GraphQLError && (error.originalError === undefined || error.originalError instanceof GraphQLError)
      ? error
      : new GraphQLError("Internal error", { path: error.path, extensions: { code: "INTERNAL_SERVER_ERROR" } });
  }
  const what = `The service ${serviceName}`;
  const detail = `${what} is not available right now; try again shortly.`;
  const unavailable = { type: "/problems/unavailable", title: "Unavailable", status: 503, detail, what };
  return new GraphQLError(detail, { path: error.path, extensions: { code: "UNAVAILABLE", problem: unavailable } });
}

function fail(error) {
  write("error", undefined, error.message);
  process.exit(1);
}

// Where services speak TLS with each other, this process shows its certificate to them and asks whoever comes for one of that authority.
function certificate() {
  const pair = readFileSync(tls.pair);
  return { key: pair, cert: pair, ca: readFileSync(tls.authority), minVersion: "TLSv1.3", requestCert: true, rejectUnauthorized: true };
}

let agent = tls ? new Agent({ ...certificate(), keepAlive: true }) : undefined;

const graph = await readFile(supergraph, "utf8").then(parse).catch(fail);
const gateway = createGatewayRuntime({
  supergraph: () => graph,
  transports: { http },
  transportEntries: { "*.http": { options: { method: "POST" } } },
  graphqlEndpoint: path,
  healthCheckEndpoint: "/healthz",
  readinessCheckEndpoint: "/readyz",
  landingPage: false,
  graphiql: false,
  plugins: () => [limited(limits)],
  customAgent: tls ? () => agent : undefined,
  logging: new Logger({ level: "warn", writers: [{ write }] }),
  requestId: false,
  upstreamTimeout: timeout,
  maskedErrors: { maskError: shown },
  disableIntrospection: introspection ? undefined : {},
  propagateHeaders: {
    fromClientToSubgraphs({ request }) {
      return Object.fromEntries(headers.map((name) => [name, request.headers.get(name)]).filter(([, value]) => value !== null));
    },
  },
});

// A browser sets no header on a WebSocket: what it would say there, it says in its first message.
function opened(request, said) {
  const given = Object.entries({ ...request.headers, ...said }).map(([name, value]) => [name.toLowerCase(), value]);
  const known = given.filter(([name, value]) => headers.includes(name) && typeof value === "string");
  return new gateway.fetchAPI.Request(`http://${host}${path}`, { method: "POST", headers: Object.fromEntries(known) });
}

await Promise.resolve(gateway.getSchema()).catch(fail); // a graph that cannot be planned over ends the process before it serves

const server = tls ? createSecureServer(certificate(), gateway) : createServer(gateway);
if (tls) {
  watchFile(tls.pair, { interval: 5000 }, () => {
    try {
      server.setSecureContext(certificate());
      agent = new Agent({ ...certificate(), keepAlive: true });
    } catch (error) {
      console.error(JSON.stringify({ level: "warn", message: `the renewed certificate cannot be used: ${error.message}` }));
    }
  });
}
const sockets = new WebSocketServer({ server, path });
useServer(getGraphQLWSOptions(gateway, ({ connectionParams, extra }) => ({ request: opened(extra.request, connectionParams) })), sockets);
for (const one of [server, sockets]) one.on("error", fail);
server.listen(port, host, () => console.log(JSON.stringify({ port: server.address().port })));

function end() {
  server.close(() => process.exit(0));
  sockets.clients.forEach((one) => one.close(1001, "Going Away"));
  server.closeIdleConnections();
  setTimeout(() => process.exit(0), 5000).unref();
}
process.stdin.on("end", end).on("error", end).resume();
process.on("SIGTERM", end).on("SIGINT", end);
