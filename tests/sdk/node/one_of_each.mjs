// Sends one message of each kind with an unmodified SDK: `one_of_each.mjs segment|rudder URL KEY`.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [which, url, key] = process.argv.slice(2);
const context = { groupId: "a1" };
const integrations = { All: true, Userlist: { extensions: { relationship: { properties: { role: "owner" } } } } };
const when = new Date("2026-05-01T10:30:00Z");

let client;
if (which === "segment") {
  const { Analytics } = require("@segment/analytics-node");
  client = new Analytics({ writeKey: key, host: url, flushInterval: 200, flushAt: 50 });
} else {
  const { default: Analytics } = await import("@rudderstack/rudder-sdk-node").then((m) => (m.default?.default ? m.default : m));
  client = new Analytics(key, { dataPlaneUrl: url, flushAt: 50 });
}

client.identify({ userId: "u1", traits: { email: "u1@example.com", title: "CFO", company: { id: "a2", name: "Beta" } } });
client.group({ userId: "u1", groupId: "a1", traits: { name: "Acme", seats: 12, createdAt: when, odd: "x\u0000y" }, integrations });
client.group({ userId: "u1", groupId: 7, traits: { name: "Seven" } });
client.track({ userId: "u1", event: "Report Exported", properties: { pages: 3, note: "é😀", half: NaN }, context });
client.track({ userId: "u1", event: "Trial Started", properties: { trial_plan_name: "pro" }, context, timestamp: when });
client.page({ userId: "u1", category: "Docs", name: "Setup", properties: { path: "/docs" }, context });
client.screen({ userId: "u1", name: "Home", properties: { n: 1 }, context });
client.track({ anonymousId: "v1", event: "Pricing Seen", properties: { n: 2 } });
client.alias({ userId: "u1", previousId: "v1" });
client.track({ userId: "u1", event: "Account Removed User", context: { groupId: 7 } });

if (which === "segment") await client.closeAndFlush({ timeout: 20000 });
else await new Promise((resolve) => client.flush(() => resolve()));
process.exit(0);
