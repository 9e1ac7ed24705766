// Sends mixed messages with an unmodified SDK: `send.mjs segment|rudder URL KEY NUMBER`. Prints what the SDK says of it.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const [which, url, key, count] = process.argv.slice(2);
const number = Number(count);
const failed = [];

let client;
if (which === "segment") {
  const { Analytics } = require("@segment/analytics-node");
  client = new Analytics({ writeKey: key, host: url, flushInterval: 200, flushAt: 50, maxRetries: 10 });
  client.on("error", (error) => failed.push(String(error.reason ?? error)));
} else {
  const { default: Analytics } = await import("@rudderstack/rudder-sdk-node").then((m) => (m.default?.default ? m.default : m));
  client = new Analytics(key, { dataPlaneUrl: url, flushAt: 50, errorHandler: (error) => failed.push(String(error)) });
}

const flush = () =>
  which === "segment"
    ? Promise.resolve()
    : new Promise((resolve) => client.flush((error) => { if (error) failed.push(String(error)); resolve(); }));

for (let n = 0; n < number; n += 1) {
  const userId = `u${n % 40}`;
  const groupId = `a${n % 8}`;
  const context = { groupId };
  switch (n % 7) {
    case 0: client.identify({ userId, traits: { email: `${userId}@example.com`, visits: n } }); break;
    case 1: client.group({ userId, groupId, traits: { name: "Acme", seats: 12, at: n } }); break;
    case 2: client.track({ userId, event: "Report Exported", properties: { pages: n, note: "é😀" }, context }); break;
    case 3: client.page({ userId, name: `Page ${n % 9}`, category: "Docs", properties: { path: "/docs" }, context }); break;
    case 4: client.screen({ userId, name: "Home", properties: { n }, context }); break;
    case 5: client.track({ userId, event: "Report Opened", properties: { n } }); break;
    default: client.alias({ userId, previousId: `visitor-${n % 40}` });
  }
  if (which === "rudder" && n % 50 === 49) await flush();
}
if (which === "segment") await client.closeAndFlush({ timeout: 120000 });
else await flush();
console.log(JSON.stringify({ failed }));
process.exit(0);
