import { Script, createContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { attentionHtml, Encoder, InvalidArgumentError } from "../../lib/index.js";
import { random } from "../support/random.js";

/** As much of a browser as the page uses; what is drawn is kept. */
class FakeElement {
  textContent: unknown = "";
  className = "";
  title = "";
  width = 0;
  height = 0;
  value = "";
  pixels: Uint8ClampedArray = new Uint8ClampedArray(0);
  readonly children: FakeElement[] = [];
  readonly listeners = new Map<string, (event: object) => void>();
  readonly style = { setProperty: () => {}, gridTemplateColumns: "" };
  append(child: FakeElement) {
    this.children.push(child);
  }
  addEventListener(type: string, listener: (event: object) => void) {
    this.listeners.set(type, listener);
  }
  getBoundingClientRect() {
    return { left: 0, top: 0, width: 100, height: 100 };
  }
  getContext() {
    return {
      createImageData: (width: number, height: number) => ({
        data: new Uint8ClampedArray(4 * width * height),
      }),
      putImageData: (image: { data: Uint8ClampedArray }) => (this.pixels = image.data),
    };
  }
}

/** Runs the page's own script. */
function open(html: string, isDark = false) {
  const elements = new Map<string, FakeElement>();
  const byId = (id: string) => {
    if (!elements.has(id)) elements.set(id, new FakeElement());
    return elements.get(id)!;
  };
  byId("data").textContent = /id="data">(.*?)<\/script>/s.exec(html)![1]!;
  const document = {
    getElementById: byId,
    createElement: () => new FakeElement(),
    documentElement: new FakeElement(),
    addEventListener: (type: string, listener: (event: object) => void) =>
      byId("document").addEventListener(type, listener),
  };
  const matchMedia = () => ({ matches: isDark, addEventListener() {} });
  const script = /<script>(.*?)<\/script>/s.exec(html)![1]!;
  new Script(script).runInContext(
    createContext({ document, matchMedia, atob, Uint8Array, Float64Array, JSON, Math }),
  );
  return byId;
}

const shape = [2, 3, 4, 4];
const next = random(17);
const attentions = { data: Float32Array.from({ length: 96 }, () => next()), shape };
/** What the buttons of the overview show: each layer's heads, then their mean. */
const thumbnails = (byId: (id: string) => FakeElement) =>
  byId("grid").children.filter(({ children }) => children.length > 0);

/** Brightness of each field of a map. */
function brightness({ pixels }: FakeElement): number[] {
  return Array.from({ length: pixels.length / 4 }, (_, i) => {
    return pixels[4 * i]! + pixels[4 * i + 1]! + pixels[4 * i + 2]!;
  });
}

const tokens = ["[CLS]", "</script><b>", 'quo"te', "[SEP]"];

describe("attentionHtml", () => {
  it.each([false, true])("draws every head and their mean: the more, the stronger (dark: %s)", (isDark) => {
    const maps = thumbnails(open(attentionHtml({ tokens, attentions }), isDark));
    expect(maps).toHaveLength(8);
    for (const [m, { children }] of maps.entries()) {
      const [layer, head] = [Math.floor(m / 4), m % 4];
      const shares = Array.from({ length: 16 }, (_, i) => {
        const own = [0, 1, 2].map((h) => attentions.data[16 * (3 * layer + h) + i]!);
        return head < 3 ? own[head]! : own.reduce((a, b) => a + b) / 3;
      });
      const drawn = brightness(children[0]!);
      for (let i = 0; i < 16; i++) {
        for (let j = 0; j < 16; j++) {
          if (shares[i]! < shares[j]! + 0.02) continue;
          if (isDark) expect(drawn[i]).toBeGreaterThan(drawn[j]!);
          else expect(drawn[i]).toBeLessThan(drawn[j]!);
        }
      }
    }
  });

  it("shows the chosen one large, by mouse and by keyboard", () => {
    const byId = open(attentionHtml({ tokens, attentions }));
    const maps = thumbnails(byId);
    const isShown = (m: number) => {
      expect(byId("large").pixels).toEqual(maps[m]!.children[0]!.pixels);
      expect(maps.map(({ className }) => className === "on").indexOf(true)).toBe(m);
    };
    isShown(7);
    maps[1]!.listeners.get("click")!({});
    isShown(1);
    const press = (key: string) => {
      byId("document").listeners.get("keydown")!({ key, preventDefault() {} });
    };
    press("ArrowDown");
    isShown(5);
    press("ArrowDown");
    isShown(5);
    press("ArrowRight");
    press("ArrowUp");
    press("x");
    isShown(2);
  });

  it("tells what is under the mouse, and marks it", () => {
    const byId = open(attentionHtml({ tokens, attentions }));
    thumbnails(byId)[1]!.listeners.get("click")!({});
    const [rows, columns] = [byId("rows").children, byId("columns").children];
    expect(rows.map(({ textContent }) => textContent)).toEqual(tokens);
    const marked = () =>
      [rows, columns].map((labels) => labels.findIndex(({ className }) => className === "on"));
    byId("large").listeners.get("mousemove")!({ clientX: 60, clientY: 5 });
    expect(marked()).toEqual([0, 2]);
    const readout = String(byId("readout").textContent).replaceAll(/[\u2068\u2069]/g, "");
    expect(readout).toContain('layer 1, head 2: [CLS] looks at quo"te, about');
    const told = Number(/about ([\d.]+) %/.exec(readout)![1]);
    expect(Math.abs(told - 100 * attentions.data[16 + 2]!)).toBeLessThan(1);
    byId("large").listeners.get("mouseleave")!({});
    expect(marked()).toEqual([-1, -1]);
    expect(byId("readout").textContent).toBe("layer 1, head 2");
  });

  it("needs nothing from elsewhere, and lets no text out of its place", () => {
    const html = attentionHtml({ tokens, attentions }, { title: '<img src="x"> $& {data}' });
    expect(html).not.toMatch(/https?:|<link|<img|\ssrc="|@import|url\(/);
    expect(html).toContain("default-src 'none'");
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).toContain("<h1>&#60;img src=&#34;x&#34;&#62; $&#38; {data}</h1>");
    open(html);
  });

  it("takes what encode returns", async () => {
    const encoder = await Encoder.load("mini-bert", { threads: 1 });
    const output = await encoder.encode("the sea", { attentions: true });
    expect(thumbnails(open(attentionHtml(output)))).toHaveLength(4 * 5);
    const without = await encoder.encode("the sea");
    expect(() => attentionHtml(without)).toThrow("what encode returns with attentions: true");
    await encoder.dispose();
  });

  it("refuses anything else", () => {
    const wrong = (output: unknown) => () => attentionHtml(output as never);
    expect(wrong(undefined)).toThrow(InvalidArgumentError);
    expect(wrong({ tokens: ["a"], attentions })).toThrow("for output");
    expect(wrong({ tokens, attentions: { data: attentions.data, shape: [2, 4, 4, 4] } })).toThrow(
      "for output",
    );
    expect(() => attentionHtml({ tokens, attentions }, { title: "" })).toThrow("for title");
    expect(() => attentionHtml({ tokens, attentions }, { titel: "a" } as never)).toThrow(
      "Unknown option titel of attentionHtml",
    );
  });
});
