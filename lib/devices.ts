/** What models can be loaded on, and which device a name stands for. */
import { probeCuda, probeCudaSync, type CudaProbe } from "./cuda-probe.js";
import { DeviceError } from "./errors.js";
import { callNative, native, type DeviceInfo } from "./native.js";

/** A device to load a model on, or to pass over. */
export interface DeviceChoice {
  /** Its {@link DeviceInfo.id}, or the kind where none was found. */
  id: string;
  /** Why it is taken, or passed over. */
  reason: string;
  /** The CUDA addon, for its devices. */
  addon?: string;
}

/** What became of `"auto"` or of a name: candidates in the order in which they are tried. */
export interface DeviceChoices {
  candidates: DeviceChoice[];
  passedOver: DeviceChoice[];
}

/** Beside the weights: activations, keys and values, the kernels' working memory. */
const MARGIN = 512 * 2 ** 20;

/**
 * The devices of this machine, the fastest first; the last one is always `"cpu"`. Where there is an NVIDIA driver,
 * the first call asks it in a child process, which takes a moment.
 */
export function devices(): DeviceInfo[] {
  return allDevices(probeCudaSync());
}

function allDevices(cuda: CudaProbe): DeviceInfo[] {
  const own = callNative(() => native().devices());
  const isCpu = ({ kind }: DeviceInfo) => kind === "cpu";
  return [...cuda.devices, ...own.filter((device) => !isCpu(device)), ...own.filter(isCpu)];
}

/**
 * The devices that `wanted` stands for: `"auto"` all that can hold `bytes` of weights, the fastest first; a kind its
 * first device.
 *
 * @throws DeviceError saying why the device asked for by name cannot be had.
 */
export async function chooseDevices(wanted: string, bytes = 0): Promise<DeviceChoices> {
  // A processor asked for needs no look at what else there is.
  if (wanted === "cpu") return { candidates: [{ id: "cpu", reason: "asked for" }], passedOver: [] };
  const cuda = await probeCuda();
  return wanted === "auto"
    ? chooseBest(cuda, bytes)
    : { candidates: [chooseByName(cuda, wanted)], passedOver: [] };
}

function chooseBest(cuda: CudaProbe, bytes: number): DeviceChoices {
  const choices: DeviceChoices = { candidates: [], passedOver: [] };
  if (cuda.devices.length === 0) choices.passedOver.push({ id: "cuda", reason: cuda.reason });
  for (const device of allDevices(cuda)) {
    const obstacle = obstacleOf(device, bytes);
    if (obstacle === undefined) choices.candidates.push(choiceOf(device, cuda, "the fastest that fits"));
    else choices.passedOver.push({ id: device.id, reason: obstacle });
  }
  return choices;
}

function choiceOf({ id, kind }: DeviceInfo, cuda: CudaProbe, reason: string): DeviceChoice {
  return { id, reason, ...(kind === "cuda" && { addon: cuda.addon }) };
}

function obstacleOf({ kind, unusable, memoryFree }: DeviceInfo, bytes: number): string | undefined {
  if (unusable !== undefined) return unusable;
  // Where the processor lacks memory there is nothing left to choose: loading says what is missing.
  if (kind === "cpu" || memoryFree >= bytes + MARGIN) return undefined;
  return `its free memory of ${memoryFree} bytes does not hold weights of ${bytes} bytes and what is computed`;
}

function chooseByName(cuda: CudaProbe, wanted: string): DeviceChoice {
  const found = allDevices(cuda);
  const device = found.find(({ id, kind }) => id === wanted || kind === wanted || `${id}:0` === wanted);
  const refuse = (message: string, reason: string) =>
    new DeviceError(message, { device: wanted, known: found.map(({ id }) => id), reason });
  if (device === undefined) {
    const known = found.map(({ id }) => id).join(", ");
    const reason = wanted.startsWith("cuda") && cuda.reason ? cuda.reason : "there is no such device";
    throw refuse(
      `Expected "auto" or a device of this machine (${known}) for device but received ${JSON.stringify(wanted)}: ${reason}`,
      reason,
    );
  }
  if (device.unusable !== undefined) {
    throw refuse(
      `The device ${device.id} (${device.name}) cannot be used: ${device.unusable}`,
      device.unusable,
    );
  }
  return choiceOf(device, cuda, "asked for");
}

/** The choice in a sentence, for people. */
export function explainChoice({ reason }: DeviceChoice, passedOver: readonly DeviceChoice[]): string {
  return [reason, ...passedOver.map((other) => `not ${other.id}: ${other.reason}`)].join("; ");
}
