// Disks, as the folders on them tell. Pure.

/** Bytes that something may write between two looks at one disk. */
const NOISE = 1e8;

/** One entry for each disk, named by what lies on it: folders on one disk tell the same numbers. */
export function disksOf(storage) {
  const disks = new Map();
  for (const { name, total_bytes, free_bytes } of storage) {
    const numbers = `${total_bytes} ${Math.round(free_bytes / NOISE)}`;
    const disk = disks.get(numbers) ?? { names: [], total_bytes, free_bytes };
    disk.names.push(name);
    disks.set(numbers, disk);
  }
  return [...disks.values()].map(({ names, ...sizes }) => ({
    name: `Disk of ${names.join(", ")}`,
    ...sizes,
  }));
}
