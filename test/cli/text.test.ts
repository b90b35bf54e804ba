import { describe, expect, it } from "vitest";
import { formatTable } from "../../lib/cli/table.js";
import {
  displayWidth,
  excerpt,
  formatBytes,
  formatCount,
  formatDuration,
  printable,
  printableLines,
} from "../../lib/cli/text.js";

describe("printable", () => {
  it("escapes what a terminal would obey, and nothing else", () => {
    expect(printable("a\u001b[31m\n\t\r\0\u009b\u202e\u2028é漢😀")).toBe(
      "a\\u{1b}[31m\\n\\t\\r\\u{0}\\u{9b}\\u{202e}\\u{2028}é漢😀",
    );
    expect(printableLines("a\n\tb\r\u001b")).toBe("a\n\tb\\r\\u{1b}");
  });
});

describe("excerpt", () => {
  it("cuts to columns, not characters", () => {
    expect(excerpt("short", 5)).toBe("short");
    expect(excerpt("longer", 5)).toBe("long…");
    expect(excerpt("漢字漢字", 8)).toBe("漢字漢字");
    expect(excerpt("漢字漢字", 7)).toBe("漢字漢…");
    expect(excerpt("😀".repeat(1_000_000), 6)).toBe("😀😀…");
    expect(displayWidth(excerpt("e\u0301".repeat(50), 10))).toBe(10);
  });
});

describe("formats", () => {
  it("counts", () => expect(formatCount(1_234_567)).toBe("1,234,567"));

  it.each([
    [0, "0 bytes"],
    [999, "999 bytes"],
    [1000, "1 kB"],
    [13_459_904, "13.5 MB"],
    [999_600, "1 MB"],
    [2.5e12, "2.5 TB"],
  ])("%d bytes", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0.4, "0 ms"],
    [999.6, "1.0 s"],
    [59_949, "59.9 s"],
    [59_951, "1 min 0 s"],
    [185_000, "3 min 5 s"],
  ])("%d ms", (milliseconds, text) => expect(formatDuration(milliseconds)).toBe(text));
});

describe("formatTable", () => {
  it("aligns by columns on the screen", () => {
    const table = formatTable(
      [
        ["id", "token"],
        ["7", "漢"],
        ["1234", "abc"],
      ],
      { right: [0], indent: " ", header: (line) => line.toUpperCase() },
    );
    expect(table).toBe("   ID  TOKEN\n    7  漢\n 1234  abc\n");
  });
});
