// What a shared library says of itself: its system, its processor, and for ELF what it needs of others.

const ELF_MACHINES = { 62: "x64", 183: "arm64" };
const MACH_O_PROCESSORS = { 0x01000007: "x64", 0x0100000c: "arm64" };
const PE_MACHINES = { 0x8664: "x64", 0xaa64: "arm64" };
const SECTION_DYNAMIC = 6;
const SECTION_VERSION_NEEDS = 0x6ffffffe;
const DYNAMIC_NEEDED = 1n;

/**
 * Reads the header of a library's contents: `{ platform, arch }`, `arch` undefined for a processor not listed
 * above, and for ELF also `needed`, names of libraries, and `versions`, such as "GLIBC_2.17". Undefined for
 * anything else than a 64-bit library of Linux, macOS or Windows.
 */
export function readBinary(contents) {
  if (contents.length < 64) return undefined;
  if (contents.readUInt32BE(0) === 0x7f454c46 && contents[4] === 2 && contents[5] === 1) {
    return { platform: "linux", arch: ELF_MACHINES[contents.readUInt16LE(18)], ...readElfNeeds(contents) };
  }
  if (contents.readUInt32LE(0) === 0xfeedfacf) {
    return { platform: "darwin", arch: MACH_O_PROCESSORS[contents.readUInt32LE(4)] };
  }
  if (contents.toString("latin1", 0, 2) !== "MZ") return undefined;
  const header = contents.readUInt32LE(60);
  if (contents.toString("latin1", header, header + 4) !== "PE\0\0") return undefined;
  return { platform: "win32", arch: PE_MACHINES[contents.readUInt16LE(header + 4)] };
}

function readElfNeeds(contents) {
  const sections = readSections(contents);
  const textAt = (section, offset) => {
    const start = sections[section.link].offset + offset;
    return contents.toString("latin1", start, contents.indexOf(0, start));
  };
  const needed = [];
  const versions = [];
  for (const section of sections) {
    if (section.type === SECTION_DYNAMIC) {
      for (let at = section.offset; at < section.offset + section.size; at += 16) {
        if (contents.readBigInt64LE(at) !== DYNAMIC_NEEDED) continue;
        needed.push(textAt(section, Number(contents.readBigUInt64LE(at + 8))));
      }
    } else if (section.type === SECTION_VERSION_NEEDS) {
      for (const offset of versionNames(contents, section)) versions.push(textAt(section, offset));
    }
  }
  return { needed, versions };
}

function readSections(contents) {
  const table = Number(contents.readBigUInt64LE(40));
  const entrySize = contents.readUInt16LE(58);
  return Array.from({ length: contents.readUInt16LE(60) }, (_, i) => {
    const at = table + i * entrySize;
    return {
      type: contents.readUInt32LE(at + 4),
      offset: Number(contents.readBigUInt64LE(at + 24)),
      size: Number(contents.readBigUInt64LE(at + 32)),
      link: contents.readUInt32LE(at + 40),
    };
  });
}

/** A chain of libraries, each with a chain of versions; both link by distances, of which 0 is the end. */
function* versionNames(contents, section) {
  for (let library = section.offset, next = -1; next !== 0; library += next) {
    next = contents.readUInt32LE(library + 12);
    let version = library + contents.readUInt32LE(library + 8);
    for (let step = -1; step !== 0; version += step) {
      step = contents.readUInt32LE(version + 12);
      yield contents.readUInt32LE(version + 8);
    }
  }
}
