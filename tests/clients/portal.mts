// A small portal on the generated TypeScript client. What it reads is typed without a cast; a problem is told by its code.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.d.ts";

type Incident = components["schemas"]["Incident"];
type ProblemDetails = components["schemas"]["ProblemDetails"];
type State = components["schemas"]["IncidentState"];

const { SERVER: baseUrl = "", PASSWORD: password = "" } = process.env;
const api = createClient<paths, "application/json" | "application/problem+json">({ baseUrl });

function expect(what: string, holds: boolean): asserts holds {
  if (!holds) throw new Error(`expected: ${what}`);
}

// What an answer holds; a problem is thrown.
function got<T>(answer: { data?: T; error?: ProblemDetails }): T {
  if (answer.error !== undefined) throw new Error(`${answer.error.code}: ${answer.error.detail}`);
  expect("a body", answer.data !== undefined);
  return answer.data;
}

// What went wrong; anything else is thrown.
function refused(answer: { data?: unknown; error?: ProblemDetails }): ProblemDetails {
  expect("a problem", answer.error !== undefined);
  return answer.error;
}

const session = got(await api.POST("/api/v1/auth/login", { body: { user_name: "admin", password } }));
api.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${session.access_token}`);
    return request;
  },
});

const titles = ["Mail does not arrive", "No light in room 4", "The printer is out of paper"];
for (const title of titles) {
  const made = await api.POST("/api/v1/incidents", {
    params: { header: { "Idempotency-Key": title } },
    body: { title, impact: 2, urgency: 1, channel: "portal", custom: null },
  });
  const state: State = got(made).state;
  expect("a new incident", state === "new" && made.response.status === 201);
}

const untitled = refused(await api.POST("/api/v1/incidents", { body: { title: "two\nlines" } }));
expect("422 that names the field", untitled.code === "invalid" && untitled.errors?.[0]?.pointer === "/title");

const seen: Incident[] = [];
let cursor: string | null = null;
do {
  const query = { limit: 2, sort: "opened_at", count: true, ...(cursor === null ? {} : { cursor }) };
  const page: components["schemas"]["IncidentPage"] = got(await api.GET("/api/v1/incidents", { params: { query } }));
  expect("three in all", page.total === titles.length);
  seen.push(...page.items);
  cursor = page.next_cursor;
} while (cursor !== null);
expect("every incident once, in order", seen.map((incident) => incident.title).join() === titles.join());

const first = seen[0];
expect("a first incident", first !== undefined);
const params = { path: { id: first.number } };
const read = await api.GET("/api/v1/incidents/{id}", { params: { ...params, query: { expand: "opened_by,service" } } });
const whole = got(read);
expect("its opener by name", whole.opened_by?.display_name !== undefined && whole.service === null);
const tag = read.response.headers.get("etag");
expect("an entity tag", tag !== null);

const change = (tag: string) =>
  api.PATCH("/api/v1/incidents/{id}", {
    params: { ...params, header: { "If-Match": tag } },
    headers: { "Content-Type": "application/merge-patch+json" },
    body: { category: "mail", tags: ["vip"] },
  });
expect("the change", got(await change(tag)).category === "mail");
expect("412 for a stale tag", refused(await change(tag)).code === "stale");

const steps = got(await api.GET("/api/v1/incidents/{id}/transitions", { params }));
expect("a step to resolve", steps.some((step) => step.name === "resolve" && step.to === "resolved"));
const incomplete = refused(
  await api.POST("/api/v1/incidents/{id}/resolve", {
    params,
    body: { resolution_code: "fixed", resolution_kind: "permanent", resolution_notes: " " },
  }),
);
expect("409 that names what is missing", incomplete.code === "illegal_transition");
expect("its place", incomplete.errors?.[0]?.pointer === "/resolution_notes");
const resolved = got(
  await api.POST("/api/v1/incidents/{id}/resolve", {
    params,
    body: { resolution_code: "fixed", resolution_kind: "permanent", resolution_notes: "The queue was full." },
  }),
);
expect("a resolved incident", resolved.state === "resolved" && resolved.phase === "done");

for (const decision of got(await api.GET("/api/v1/incidents/{id}/decisions", { params })).items) {
  const why = got(await api.GET("/api/v1/decisions/{id}/explanation", { params: { path: { id: decision.id } } }));
  for (const effect of why.effects) {
    expect("an effect that tells its parts", effect.effect !== "priority" || effect.priority > 0);
  }
}

const attached = await api.POST("/api/v1/incidents/{id}/attachments", {
  params: { ...params, query: { name: "queue.txt" } },
  headers: { "Content-Type": "text/plain" },
  body: "full",
  bodySerializer: (body) => body,
});
expect("an attachment of its own type", got(attached).media_type === "text/plain");

// What hangs on what, and what a change of it would hit.
const item = async (title: string, cls: string) =>
  got(await api.POST("/api/v1/configuration_items", { body: { title, class: cls } }));
const [host, shop] = [await item("host-1", "server"), await item("shop", "application")];
const onHost = { relation: "runs_on", record_id: host.id };
got(await api.POST("/api/v1/configuration_items/{id}/relations", { params: { path: { id: shop.id } }, body: onHost }));
const impact = got(await api.GET("/api/v1/configuration_items/{id}/impact", { params: { path: { id: host.number } } }));
const hit = impact.records[0];
expect("what runs on it", hit?.record.number === shop.number && hit.path[0]?.relation === "runs_on");
const planned = got(
  await api.POST("/api/v1/changes", {
    body: { title: "More memory for the host", change_type: "normal", configuration_item_id: host.id },
  }),
);
const preview = got(
  await api.GET("/api/v1/changes/{id}/impact-preview", { params: { path: { id: planned.number } } }),
);
expect("what the change touches and hits", preview.touches[0]?.id === host.id && preview.impact.total === 1);
