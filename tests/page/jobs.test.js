import assert from "node:assert/strict";
import { test } from "node:test";

import { streams } from "./browser.js";

const asked = [];

const answers = { "/api/jobs?limit=24": { jobs: [] } };
globalThis.fetch = async (url) => {
  asked.push(url);
  const body = answers[url];
  return {
    ok: Boolean(body),
    status: body ? 200 : 404,
    json: async () => body ?? { detail: "gone" },
  };
};

const jobs = await import("../../server/web/page/state/jobs.js");
const end = jobs.begin();
const after = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const snapshot = (id, changes) => ({
  job_id: id,
  attempt: 1,
  seq: 1,
  status: "queued",
  queue_position: 1,
  created_at: "2026-01-01T00:00:00.000Z",
  finished_at: null,
  images: [],
  ...changes,
});

async function tell(...snapshots) {
  snapshots.forEach((each) => streams.last.onmessage({ data: JSON.stringify(each) }));
  await after(60);
}

test("an older snapshot changes nothing", async () => {
  await tell(snapshot("a", { seq: 9, status: "processing", queue_position: null }));
  await tell(snapshot("a", { seq: 3 }));
  assert.equal(jobs.entryOf("a").value.snapshot.seq, 9);
  await tell(snapshot("a", { attempt: 2, seq: 1 }));
  assert.equal(jobs.entryOf("a").value.snapshot.attempt, 2);
});

test("jobs that live stand in the order they run, those that have ended after the newest", async () => {
  await tell(
    snapshot("b", { queue_position: 3, created_at: "2026-01-02T00:00:00.000Z" }),
    snapshot("c", { queue_position: 2, created_at: "2026-01-03T00:00:00.000Z" }),
    snapshot("a", { attempt: 3, status: "processing", queue_position: null }),
  );
  assert.deepEqual(jobs.live.value, ["a", "c", "b"]);
  assert.deepEqual(jobs.order.value, ["c", "b", "a"]);
  const over = { seq: 5, status: "completed", queue_position: null };
  await tell(snapshot("b", { ...over, finished_at: "2026-01-04T00:00:00.000Z" }));
  assert.deepEqual([jobs.live.value, jobs.ended.value], [["a", "c"], ["b"]]);
});

test("what was put away is no card, and stays among the jobs", () => {
  jobs.putAway("b");
  assert.deepEqual([jobs.cards.value, jobs.ended.value], [[], ["b"]]);
});

test("after a connection only what the stream does not tell is asked for", async () => {
  asked.length = 0;
  answers["/api/jobs/a"] = snapshot("a", { attempt: 3, seq: 8, status: "failed" });
  streams.last.onopen();
  await tell(snapshot("c", { queue_position: 2 }));
  await after(1200);
  assert.deepEqual(asked, ["/api/jobs?limit=24", "/api/jobs/a"]);
  assert.equal(jobs.entryOf("a").value.snapshot.status, "failed");
});

test("a job that is gone leaves, and its parameters are asked for once", async () => {
  asked.length = 0;
  const tries = [jobs.detail("c"), jobs.detail("c")];
  const told = await Promise.allSettled(tries);
  assert.deepEqual(
    told.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.deepEqual(asked, ["/api/jobs/c"]);
  assert.equal(jobs.order.value.includes("c"), false);
  end();
});
