// The jobs: what is developing now, and what has ended.

import { html } from "../lib/ui.js";
import { counted } from "../pure/format.js";
import { Button } from "../parts/button.js";
import { Empty } from "../parts/empty.js";
import { cards, clear, live } from "../state/jobs.js";
import { Card } from "./card.js";
import { Paused } from "./paused.js";

/** Of a long queue so many cards are shown. */
const MOST = 24;

export function Watch() {
  const more = live.value.length - MOST;
  return html`
    <section class="watch" aria-label="Jobs">
      <header>
        <h2>${live.value.length ? counted(live.value.length, "job") : "Jobs"}</h2>
        ${cards.value.length > 0 && html`<${Button} kind="quiet" onClick=${clear}>Put away<//>`}
      </header>
      <${Paused} />
      <${Nothing} />
      <div class="cards">
        ${live.value.slice(0, MOST).map((id) => html`<${Card} id=${id} key=${id} />`)}
        ${more > 0 && html`<p class="muted">and ${more} more that wait</p>`}
        ${cards.value.map((id) => html`<${Card} id=${id} key=${id} />`)}
      </div>
    </section>
  `;
}

function Nothing() {
  if (live.value.length || cards.value.length) return null;
  return html`
    <${Empty} icon="make" title="Nothing is developing">
      Say what the picture should show and press <kbd>Ctrl</kbd> <kbd>Enter</kbd>. It appears here and
      develops while you watch.
    <//>
  `;
}
