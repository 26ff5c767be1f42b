// What a snapshot says, in words. Pure.

import { bytes, duration } from "./format.js";

const PHASES = {
  preparing: "Preparing",
  loading: "Loading the model",
  saving: "Saving",
};

const ENDS = { completed: "Done", failed: "Failed", cancelled: "Cancelled" };

export const isLive = ({ status }) => status === "queued" || status === "processing";

/** What a job is called: by its prompt, as far as that is known. */
export function titleOf(snapshot, params) {
  const prompt = (params?.prompt || snapshot.images[0]?.prompt || "").trim();
  return prompt || (snapshot.kind === "download" ? "Download of a LoRA" : "Without words");
}

/** What is being done for a job: "Waiting at position 2", "Step 5 of 30". */
export function phaseOf(snapshot) {
  if (!isLive(snapshot)) return ENDS[snapshot.status];
  if (snapshot.phase === "downloading") return downloading(snapshot.download);
  if (snapshot.status === "queued") return waiting(snapshot.queue_position);
  if (snapshot.phase === "generating" && snapshot.step !== null) return stepping(snapshot);
  return PHASES[snapshot.phase] ?? "Starting";
}

function waiting(position) {
  if (position === null) return "Waiting";
  return position === 1 ? "Waiting at position 1, next to run" : `Waiting at position ${position}`;
}

function stepping({ step, total_steps, image_index, num_images }) {
  const steps = `Step ${step} of ${total_steps}`;
  return num_images > 1
    ? `Image ${image_index + 1} of ${num_images}, ${steps.toLowerCase()}`
    : steps;
}

function downloading(download) {
  if (!download) return "Downloading";
  const { bytes: here, total_bytes: total, bytes_per_second: speed } = download;
  const amount = total ? `${bytes(here)} of ${bytes(total)}` : bytes(here);
  return `Downloading ${amount}${speed ? `, ${bytes(speed)} per second` : ""}`;
}

/** How far a job is, 0 to 1; null where nobody can tell. */
export function shareOf(snapshot) {
  if (snapshot.phase === "downloading") {
    const { bytes: here, total_bytes: total } = snapshot.download ?? {};
    return total ? Math.min(1, here / total) : null;
  }
  if (snapshot.status === "queued") return 0;
  if (snapshot.phase === "loading" || snapshot.phase === "preparing") return null;
  return snapshot.progress;
}

/** The seconds that are left, `since` milliseconds after the snapshot was told; null: unknown. */
function secondsLeft(snapshot, since) {
  if (snapshot.eta_seconds === null || !isLive(snapshot)) return null;
  return Math.max(0, snapshot.eta_seconds - since / 1000);
}

/** The same in words; "" where nobody can tell. */
export function leftOf(snapshot, since) {
  const left = secondsLeft(snapshot, since);
  if (left === null) return "";
  return left < 1 ? "almost done" : `${duration(left)} left`;
}

/** Whether one snapshot of a job is newer than another. */
export function isNewer(one, other) {
  return one.attempt > other.attempt || (one.attempt === other.attempt && one.seq > other.seq);
}
