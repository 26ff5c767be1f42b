// One job as a row.

import { html, useEffect } from "../lib/ui.js";
import { ago } from "../pure/format.js";
import { isLive, leftOf, phaseOf, shareOf, titleOf } from "../pure/phase.js";
import { Progress } from "../parts/progress.js";
import { detail, entryOf, now } from "../state/jobs.js";
import { linkToImage } from "../state/route.js";
import { RowAction } from "../watch/action.js";

export function Row({ id }) {
  const { snapshot, at, params } = entryOf(id).value;
  useEffect(() => {
    detail(id).catch(() => {}); // without what was asked for the row has no words, and works
  }, [id]);
  const title = titleOf(snapshot, params);
  return html`
    <li class="row-job" data-job=${id} data-status=${snapshot.status}>
      <${First} image=${snapshot.images[0]} title=${title} />
      <div class="row-text">
        <p class="row-title">${title}</p>
        <p class="muted">
          ${phaseOf(snapshot)} · ${snapshot.model ?? "LoRA"} · ${timeOf(snapshot, at)}
        </p>
        ${
          snapshot.status === "processing" &&
          html`<${Progress} share=${shareOf(snapshot)} label=${`Progress: ${title}`} />`
        }
        ${snapshot.error && html`<p class="error">${snapshot.error.message}</p>`}
      </div>
      <${RowAction} snapshot=${snapshot} title=${title} />
    </li>
  `;
}

function First({ image, title }) {
  if (!image) return html`<span class="row-blank" />`;
  return html`
    <a href=${linkToImage(image.filename, "queue")} aria-label=${`Look at: ${title}`}>
      <img src=${image.thumb_url} alt="" loading="lazy" />
    </a>
  `;
}

/** How long it will take where anybody can tell, else since when it has waited or ended. */
function timeOf(snapshot, at) {
  if (!isLive(snapshot)) return ago(snapshot.finished_at ?? snapshot.created_at, now.value);
  return leftOf(snapshot, now.value - at) || ago(snapshot.created_at, now.value);
}
