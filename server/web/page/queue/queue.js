// The queue: every job that lives, and what has ended.

import { html, useEffect } from "../lib/ui.js";
import { counted } from "../pure/format.js";
import { Button } from "../parts/button.js";
import { Empty } from "../parts/empty.js";
import { ended, live } from "../state/jobs.js";
import { queue, refreshQueue, setPaused } from "../state/machine.js";
import { mayManage } from "../state/session.js";
import { trying } from "../state/toasts.js";
import { Row } from "./row.js";

/** Milliseconds between two looks at the numbers: others pause and cancel, too. */
const PAUSE = 1500;

/** Of a long queue so many rows are shown. */
const MOST = 200;

export function QueueView() {
  useEffect(() => {
    trying(refreshQueue);
    // A server that is away is told of elsewhere: no message every other second.
    const timer = setInterval(() => refreshQueue().catch(() => {}), PAUSE);
    return () => clearInterval(timer);
  }, []);
  const numbers = queue.value;
  return html`
    <div class="page">
      <header class="page-head">
        <h1>Queue</h1>
        ${numbers && mayManage.value && html`<${Pause} paused=${numbers.paused} />`}
      </header>
      ${
        numbers?.paused &&
        html`<p class="warning" role="status">The queue is paused: what runs ends, nothing new begins.</p>`
      }
      ${numbers && html`<${Numbers} numbers=${numbers} />`}
      ${live.value.length === 0 && html`<${Empty} icon="queue" title="Nothing is waiting"><//>`}
      <ol class="rows" aria-label="Jobs that wait or run">
        ${live.value.slice(0, MOST).map((id) => html`<${Row} id=${id} key=${id} />`)}
      </ol>
      ${live.value.length > MOST && html`<p class="muted">and ${live.value.length - MOST} more</p>`}
      ${
        ended.value.length > 0 &&
        html`
        <h2>Ended</h2>
        <ol class="rows" aria-label="Jobs that have ended">
          ${ended.value.map((id) => html`<${Row} id=${id} key=${id} />`)}
        </ol>
      `
      }
    </div>
  `;
}

function Pause({ paused }) {
  const press = () => trying(() => setPaused(!paused));
  return html`
    <${Button} icon=${paused ? "play" : "pause"} kind=${paused ? "primary" : "plain"} onClick=${press}>
      ${paused ? "Resume" : "Pause"}
    <//>
  `;
}

function Numbers({ numbers }) {
  const { pending, running, completed, failed, cancelled } = numbers;
  const shown = { waiting: pending, running, completed, failed, cancelled };
  return html`
    <p class="numbers" aria-label=${counted(pending + running, "job")}>
      ${Object.entries(shown).map(
        ([name, count]) => html`<span key=${name}><strong>${count}</strong> ${name}</span>`,
      )}
    </p>
  `;
}
