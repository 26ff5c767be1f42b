// The server: models and memory, disks, plugins and their faults, and the APIs it speaks.

import { html, useEffect } from "../lib/ui.js";
import { disksOf } from "../pure/disks.js";
import { ago, bytes } from "../pure/format.js";
import { Progress } from "../parts/progress.js";
import { info, refreshMachine, system } from "../state/machine.js";
import { trying } from "../state/toasts.js";
import { Models } from "./models.js";
import { Plugins } from "./plugins.js";

/** Milliseconds between two looks. */
const PAUSE = 5000;

export function ServerView() {
  useEffect(() => {
    trying(refreshMachine);
    // A server that is away is told of elsewhere: no message every five seconds.
    const timer = setInterval(() => refreshMachine().catch(() => {}), PAUSE);
    return () => clearInterval(timer);
  }, []);
  return html`
    <div class="page">
      <header class="page-head">
        <h1>Server</h1>
        ${
          system.value &&
          html`<p class="muted">Darkroom ${system.value.version}, started ${ago(system.value.started_at)}</p>`
        }
      </header>
      ${system.value && html`<${Machine} system=${system.value} />`}
      <${Models} />
      ${info.value && html`<${Plugins} plugins=${info.value.plugins} />`}
      <${Apis} />
    </div>
  `;
}

function Machine({ system: { device, device_memory: ofDevice, memory, storage, streams } }) {
  const onDevice = device === "cpu" ? null : ofDevice;
  return html`
    <section aria-labelledby="machine-title">
      <h2 id="machine-title">Memory and disks</h2>
      <dl class="meters">
        ${onDevice && html`<${Meter} name=${`Memory of ${device}`} ...${onDevice} />`}
        ${memory && html`<${Meter} name="Memory" ...${memory} />`}
        ${disksOf(storage).map((disk) => html`<${Meter} ...${disk} key=${disk.name} />`)}
      </dl>
      <p class="muted">Device: ${device}. Open event streams: ${streams.open} of ${streams.max}.</p>
    </section>
  `;
}

function Meter({ name, total_bytes: total, free_bytes: free }) {
  const used = total - free;
  return html`
    <div class="meter">
      <dt>${name}</dt>
      <dd>
        <${Progress} share=${total ? used / total : 0} label=${`${name}: used`} />
        ${bytes(free)} free of ${bytes(total)}
      </dd>
    </div>
  `;
}

/** Where the APIs are described; the page's head lists them. */
function Apis() {
  const links = [...document.querySelectorAll('link[rel="service-doc"]')];
  return html`
    <section aria-labelledby="apis-title">
      <h2 id="apis-title">APIs</h2>
      <p>All this page does, programs can do. Other servers' APIs are spoken over the same queue.</p>
      <ul class="links">
        ${links.map(
          (link) => html`<li key=${link.href}><a href=${link.href}>${link.title}</a></li>`,
        )}
      </ul>
    </section>
  `;
}
