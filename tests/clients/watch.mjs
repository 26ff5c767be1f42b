// Follows the gallery, submits a job, follows it, and prints what it saw as one line of JSON.
import { EventSource } from "eventsource";

const [server, key] = process.argv.slice(2);
const query = key ? `?key=${key}` : "";
const headers = { "Content-Type": "application/json", ...(key && { "x-key": key }) };

const follow = (path, isLast) =>
  new Promise((resolve, reject) => {
    const seen = [];
    const source = new EventSource(`${server}${path}${query}`);
    source.onerror = (error) => reject(new Error(`${path}: ${error.message}`));
    source.onmessage = (event) => {
      seen.push({ id: event.lastEventId, data: JSON.parse(event.data) });
      if (isLast(seen.at(-1).data)) {
        source.close();
        resolve(seen);
      }
    };
  });

const pictures = follow("/api/sse/gallery", () => true);
const body = JSON.stringify({ prompt: "red", steps: 20, delay: 0.02 });
const answer = await fetch(`${server}/api/generate`, { method: "POST", headers, body });
const { sse_url } = await answer.json();
const snapshots = await follow(sse_url, ({ status }) => status === "completed");
console.log(JSON.stringify({ snapshots, pictures: await pictures }));
