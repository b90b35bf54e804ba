export function compileCharsmap(rules: Iterable<readonly [string | Uint8Array, string]>): Buffer;
