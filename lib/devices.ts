import { fromNativeError, native, type DeviceInfo } from "./native.js";

/** The devices a model can be loaded on, the best first. */
export function devices(): DeviceInfo[] {
  try {
    return native().devices();
  } catch (error) {
    throw fromNativeError(error);
  }
}
