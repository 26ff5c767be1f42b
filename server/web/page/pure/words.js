// Words in a prompt. Pure.

/** Whether a prompt has a phrase in it, as whole words. */
export function has(prompt, phrase) {
  const escaped = phrase.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(^|[^\\p{L}\\p{N}])${escaped}($|[^\\p{L}\\p{N}])`, "iu").test(prompt);
}

/** The prompt with a phrase put in where the caret is, and where the caret is then. */
export function insert(prompt, phrase, caret = prompt.length) {
  const before = prompt.slice(0, caret).trimEnd();
  const after = prompt.slice(caret).trimStart();
  const head = before ? `${before}${/[,;]$/.test(before) ? " " : ", "}${phrase}` : phrase;
  const tail = !after ? "" : /^[,;.]/.test(after) ? after : `, ${after}`;
  return { prompt: head + tail, caret: head.length };
}
