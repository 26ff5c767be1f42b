// Says that the queue is paused, where people wait for what does not begin.

import { html, useEffect } from "../lib/ui.js";
import { Button } from "../parts/button.js";
import { live } from "../state/jobs.js";
import { queue, refreshQueue, setPaused } from "../state/machine.js";
import { mayManage } from "../state/session.js";
import { trying } from "../state/toasts.js";

export function Paused() {
  const waiting = live.value.length;
  useEffect(() => {
    // A server that is away is told of elsewhere, and asked again with the next job.
    refreshQueue().catch(() => {});
  }, [waiting]);
  if (!queue.value?.paused) return null;
  const resume = () => trying(() => setPaused(false));
  return html`
    <div class="paused warning" role="status">
      <p>The queue is paused: what runs ends, nothing new begins.</p>
      ${mayManage.value && html`<${Button} icon="play" onClick=${resume}>Resume<//>`}
    </div>
  `;
}
