// What can be done about a job.

import { html } from "../lib/ui.js";
import { isLive } from "../pure/phase.js";
import { Button, IconButton } from "../parts/button.js";
import { cancel, forget, isOwn, putAway } from "../state/jobs.js";
import { mayManage } from "../state/session.js";
import { trying } from "../state/toasts.js";

/** Ends a job: one's own, or anybody's for those who manage the server. */
export function Cancel({ id, title }) {
  if (!mayManage.value && !isOwn(id)) return null;
  const act = () => trying(() => cancel(id));
  return html`<${Button} icon="close" aria-label=${`Cancel: ${title}`} onClick=${act}>Cancel<//>`;
}

/** On a card: put away what has ended, in this browser alone. */
export function CardAction({ snapshot, title }) {
  const { job_id: id } = snapshot;
  if (isLive(snapshot)) return html`<${Cancel} id=${id} title=${title} />`;
  const act = () => putAway(id);
  return html`<${IconButton} icon="close" label=${`Put away: ${title}`} onClick=${act} />`;
}

/** In the queue: have the server forget what has ended; its pictures stay. */
export function RowAction({ snapshot, title }) {
  const { job_id: id } = snapshot;
  if (isLive(snapshot)) return html`<${Cancel} id=${id} title=${title} />`;
  if (!mayManage.value) return null;
  const act = () => trying(() => forget(id));
  return html`<${IconButton} icon="close" label=${`Forget: ${title}`} onClick=${act} />`;
}
