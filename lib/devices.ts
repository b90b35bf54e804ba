import { DeviceError } from "./errors.js";
import { fromNativeError, native, type DeviceInfo } from "./native.js";

/** The devices a model can be loaded on. The last one is always `"cpu"`; `device: "auto"` takes the first. */
export function devices(): DeviceInfo[] {
  try {
    const found = native().devices();
    return [...found.filter(({ kind }) => kind !== "cpu"), ...found.filter(({ kind }) => kind === "cpu")];
  } catch (error) {
    throw fromNativeError(error);
  }
}

/**
 * The `id` of the device that `wanted` stands for: `"auto"` the best one, a kind its first device.
 *
 * @throws DeviceError naming the devices there are when none is meant.
 */
export function resolveDevice(wanted: string): string {
  const found = devices();
  const device = found.find(({ id, kind }) => wanted === "auto" || id === wanted || kind === wanted);
  if (device !== undefined) return device.id;
  const known = found.map(({ id }) => id);
  throw new DeviceError(
    `Expected "auto" or a device of this machine (${known.join(", ")}) for device but received ${JSON.stringify(wanted)}`,
    { device: wanted, known },
  );
}
