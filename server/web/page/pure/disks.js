// Disks, as the folders on them tell. Pure.

/** One entry for each disk, named by what lies on it: folders on one disk tell the same numbers. */
export function disksOf(storage) {
  const disks = new Map();
  for (const { name, total_bytes, free_bytes } of storage) {
    const disk = disks.get(total_bytes) ?? { names: [], total_bytes, free_bytes };
    disk.names.push(name);
    disks.set(total_bytes, disk);
  }
  return [...disks.values()].map(({ names, ...sizes }) => ({
    name: `Disk of ${names.join(", ")}`,
    ...sizes,
  }));
}
