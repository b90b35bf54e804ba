// What a shared library says of itself: its system, its processor, and but for Windows what it needs of others.

const ELF_MACHINES = { 62: "x64", 183: "arm64" };
const MACH_O_PROCESSORS = { 0x01000007: "x64", 0x0100000c: "arm64" };
const PE_MACHINES = { 0x8664: "x64", 0xaa64: "arm64" };
const SECTION_DYNAMIC = 6;
const SECTION_DYNAMIC_SYMBOLS = 11;
const SECTION_VERSION_NEEDS = 0x6ffffffe;
const DYNAMIC_NEEDED = 1n;
const SYMBOL_WEAK = 2;
const COMMAND_SYMBOLS = 2;
/** Bits of a Mach-O symbol's type: one for debuggers, and what defines it. */
const SYMBOL_STAB = 0xe0;
const SYMBOL_TYPE = 0x0e;

/**
 * Reads the header of a library's contents: `{ platform, arch }`, `arch` undefined for a processor not listed
 * above; for ELF and Mach-O also `imports`, names of symbols that others must have; and for ELF `needed`, names of
 * libraries, and `versions`, such as "GLIBC_2.17". Undefined for anything else than a 64-bit library of Linux, macOS
 * or Windows, whose linker lets no symbol be undefined.
 */
export function readBinary(contents) {
  if (contents.length < 64) return undefined;
  if (contents.readUInt32BE(0) === 0x7f454c46 && contents[4] === 2 && contents[5] === 1) {
    return { platform: "linux", arch: ELF_MACHINES[contents.readUInt16LE(18)], ...readElfNeeds(contents) };
  }
  if (contents.readUInt32LE(0) === 0xfeedfacf) {
    return {
      platform: "darwin",
      arch: MACH_O_PROCESSORS[contents.readUInt32LE(4)],
      imports: machOImports(contents),
    };
  }
  if (contents.toString("latin1", 0, 2) !== "MZ") return undefined;
  const header = contents.readUInt32LE(60);
  if (contents.toString("latin1", header, header + 4) !== "PE\0\0") return undefined;
  return { platform: "win32", arch: PE_MACHINES[contents.readUInt16LE(header + 4)] };
}

function readElfNeeds(contents) {
  const sections = readSections(contents);
  const textAt = (section, offset) => readText(contents, sections[section.link].offset + offset);
  const needed = [];
  const versions = [];
  const imports = [];
  for (const section of sections) {
    if (section.type === SECTION_DYNAMIC) {
      for (let at = section.offset; at < section.offset + section.size; at += 16) {
        if (contents.readBigInt64LE(at) !== DYNAMIC_NEEDED) continue;
        needed.push(textAt(section, Number(contents.readBigUInt64LE(at + 8))));
      }
    } else if (section.type === SECTION_VERSION_NEEDS) {
      for (const offset of versionNames(contents, section)) versions.push(textAt(section, offset));
    } else if (section.type === SECTION_DYNAMIC_SYMBOLS) {
      for (const offset of importNames(contents, section)) imports.push(textAt(section, offset));
    }
  }
  return { needed, versions, imports };
}

function readText(contents, start) {
  return contents.toString("latin1", start, contents.indexOf(0, start));
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

/** Symbols of no section; the first is empty, and those of weak binding may stay undefined. */
function* importNames(contents, { offset, size }) {
  for (let symbol = offset + 24; symbol < offset + size; symbol += 24) {
    const isDefined = contents.readUInt16LE(symbol + 6) !== 0;
    if (!isDefined && contents[symbol + 4] >> 4 !== SYMBOL_WEAK) yield contents.readUInt32LE(symbol);
  }
}

function machOImports(contents) {
  const imports = [];
  let command = 32;
  for (let left = contents.readUInt32LE(16); left > 0; left--) {
    if (contents.readUInt32LE(command) === COMMAND_SYMBOLS) {
      const [symbols, count, strings] = [8, 12, 16].map((at) => contents.readUInt32LE(command + at));
      for (let symbol = symbols; symbol < symbols + count * 16; symbol += 16) {
        if ((contents[symbol + 4] & (SYMBOL_STAB | SYMBOL_TYPE)) !== 0) continue;
        imports.push(readText(contents, strings + contents.readUInt32LE(symbol)));
      }
    }
    command += contents.readUInt32LE(command + 4);
  }
  return imports;
}
