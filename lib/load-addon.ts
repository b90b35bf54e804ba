export function loadAddon(): unknown {
  throw new Error("being written");
}
