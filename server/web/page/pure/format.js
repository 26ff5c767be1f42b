// Numbers as people read them. Pure.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes, in powers of a thousand as makers of disks and models count: "27.5 GB". */
export function bytes(count) {
  let power = 0;
  let left = count;
  while (left >= 999.5 && power < UNITS.length - 1) {
    left /= 1000;
    power += 1;
  }
  const digits = power > 0 && left < 99.95 ? 1 : 0;
  return `${left.toFixed(digits)} ${UNITS[power]}`;
}

/** Seconds: "4 s", "2 min 5 s", "1 h 10 min". */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return joined(Math.floor(whole / 60), "min", whole % 60, "s");
  return joined(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
}

/** How long something took, where tenths matter: "0.8 s". */
export function took(seconds) {
  return seconds < 10 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

function joined(many, large, few, small) {
  return few ? `${many} ${large} ${few} ${small}` : `${many} ${large}`;
}

/** How long ago: "just now", "5 minutes ago", else the date. */
export function ago(time, now = Date.now()) {
  const seconds = (now - Date.parse(time)) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return counted(Math.floor(seconds / 60), "minute") + " ago";
  if (seconds < 86400) return counted(Math.floor(seconds / 3600), "hour") + " ago";
  return new Date(time).toLocaleDateString();
}

/** "1 image", "3 images". */
export function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
