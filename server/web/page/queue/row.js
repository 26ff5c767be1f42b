// One job as a row.

import { html, useEffect } from "../lib/ui.js";
import { ago } from "../pure/format.js";
import { isLive, leftOf, phaseOf, shareOf } from "../pure/phase.js";
import { Button, IconButton } from "../parts/button.js";
import { Progress } from "../parts/progress.js";
import { cancel, detail, entryOf, forget, now } from "../state/jobs.js";
import { linkToImage } from "../state/route.js";
import { mayGenerate } from "../state/session.js";
import { trying } from "../state/toasts.js";

export function Row({ id }) {
  const { snapshot, at, params } = entryOf(id).value;
  useEffect(() => {
    detail(id).catch(() => {}); // it may be gone again: then its row is, too
  }, [id]);
  const running = isLive(snapshot);
  const title = params?.prompt || (snapshot.kind === "download" ? "Download of a LoRA" : "Without words");
  const [first] = snapshot.images;
  return html`
    <li class="row-job" data-job=${id} data-status=${snapshot.status}>
      ${first
        ? html`<a href=${linkToImage(first.filename, "queue")} aria-label=${`Look at: ${title}`}>
            <img src=${first.thumb_url} alt="" loading="lazy" />
          </a>`
        : html`<span class="row-blank" />`}
      <div class="row-text">
        <p class="row-title">${title}</p>
        <p class="muted">
          ${phaseOf(snapshot)} · ${snapshot.model ?? "LoRA"} ·
          ${" "}${running ? leftOf(snapshot, now.value - at) || ago(snapshot.created_at) : ago(snapshot.finished_at)}
        </p>
        ${snapshot.status === "processing" && html`<${Progress} share=${shareOf(snapshot)} label=${title} />`}
        ${snapshot.error && html`<p class="error">${snapshot.error.message}</p>`}
      </div>
      ${mayGenerate.value &&
      (running
        ? html`<${Button} icon="close" aria-label=${`Cancel: ${title}`} onClick=${() => trying(() => cancel(id))}>
            Cancel
          <//>`
        : html`<${IconButton} icon="trash" label=${`Forget: ${title}`} onClick=${() => trying(() => forget(id))} />`)}
    </li>
  `;
}
